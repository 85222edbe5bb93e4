"""States that tell whether a transcript of earlier speech is expected, and the transition table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final


class CatchUpState(StrEnum):
    """How the provider in use received the speech, and whether a transcript is due.

    The first state of every stream is UNATTENDED.
    """

    #: No provider's stream is open. Speech is buffered until a provider can transcribe it.
    UNATTENDED = auto()
    #: The provider received all speech without a transcript while it was spoken.
    LIVE = auto()
    #: The provider received the speech while it was spoken. The speech has ended, and the rest of
    #: its transcript is due.
    DUE = auto()
    #: The provider received speech that was buffered before, and has not transcribed all of it.
    CATCHING_UP = auto()
    #: Speech may be without a transcript, but no transcript is expected, because a provider found
    #: no word in a short sound or because the time limit is over. If text arrives nevertheless,
    #: there were words.
    DOUBTFUL = auto()
    #: The audio has ended.
    CLOSED = auto()


class CatchUpEvent(StrEnum):
    """What can change a `CatchUpState`."""

    #: A provider's stream was opened, and all speech so far has a transcript.
    OPENED = auto()
    #: A provider's stream was opened, and received buffered speech.
    OPENED_LATE = auto()
    #: A provider's stream was opened, and received a buffered short sound in which another provider
    #: found no word.
    OPENED_FOR_SOUND = auto()
    #: The provider has given text, interim or final.
    TEXT = auto()
    #: Final transcripts cover all speech whose transcript is expected.
    TRANSCRIBED = auto()
    #: Speech has begun, so the turn cannot end before the end of this speech.
    SPEECH_BEGAN = auto()
    #: The end of speech or its interim text has come, and its final transcript has not.
    WORDS_DUE = auto()
    #: The time limit for a transcript is over.
    OVERDUE = auto()
    #: The provider's stream has ended, or is not used any more.
    STREAM_ENDED = auto()
    CLOSED = auto()


_S, _E = CatchUpState, CatchUpEvent

#: The next state for each state and event. An event without a row changes nothing.
TRANSITIONS: Final[Mapping[tuple[CatchUpState, CatchUpEvent], CatchUpState]] = MappingProxyType(
    {
        (_S.UNATTENDED, _E.OPENED): _S.LIVE,
        (_S.UNATTENDED, _E.OPENED_LATE): _S.CATCHING_UP,
        (_S.UNATTENDED, _E.OPENED_FOR_SOUND): _S.DOUBTFUL,
        (_S.CATCHING_UP, _E.TRANSCRIBED): _S.LIVE,
        (_S.LIVE, _E.WORDS_DUE): _S.DUE,
        **{(_S.DUE, event): _S.LIVE for event in (_E.SPEECH_BEGAN, _E.TRANSCRIBED, _E.OVERDUE)},
        **{(state, _E.STREAM_ENDED): _S.UNATTENDED for state in (_S.LIVE, _S.DUE, _S.CATCHING_UP)},
        **{(state, _E.OVERDUE): _S.DOUBTFUL for state in (_S.UNATTENDED, _S.CATCHING_UP)},
        # DOUBTFUL has no row for OPENED_LATE and STREAM_ENDED, because a provider that is asked
        # repeatedly without a result must not restart the time limit each time.
        (_S.DOUBTFUL, _E.OPENED): _S.LIVE,
        (_S.DOUBTFUL, _E.TEXT): _S.CATCHING_UP,
        **{(state, _E.CLOSED): _S.CLOSED for state in _S},
    }
)
