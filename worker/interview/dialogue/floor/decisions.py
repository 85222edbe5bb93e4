"""The decisions of the floor: orders to the audio output, and what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from states.text_enum import TextEnum
from worker.interview.dialogue.events import Event


class Kind(TextEnum):
    """What is decided. "Our" is the interviewer's."""

    DUCK = "duck", "play our line softer"
    PAUSE = "pause", "pause our line; it may go on"
    RESUME = "resume", "play our line on, at full volume"
    STOP = "stop", "end our line: the candidate has the floor"
    WITHDRAW = "withdraw", "silence our line at once: the candidate may be continuing an answer"
    JOIN = "join", "the candidate did continue: the words belong to the answer before our line"
    SAY_AGAIN = "say_again", "say the withdrawn line from its start: the candidate said nothing"
    OVERLAP = "overlap", "the sound is no turn; its text is recorded as overlap"
    ECHO = "echo", "the words are our own; their text is dropped"


class Verdict(TextEnum):
    """What a sound over our line is."""

    COUGH = "cough", "a sound without words"
    BACKCHANNEL = "backchannel", "at most two words, none of them a stop word"
    SOCIAL = "social", "words over a hotword line that are no hotword act"
    ECHO = "echo", "the interviewer's own words"
    STOP_WORD = "stop_word", "one or two words that ask the interviewer to stop"
    SPEECH = "speech", "more than two words"
    HOTWORD = "hotword", "an act that interrupts every line"


#: The verdicts that give the candidate the floor.
INTERRUPTS: Final = frozenset({Verdict.STOP_WORD, Verdict.SPEECH, Verdict.HOTWORD})

#: The event of the dialogue that a decision is recorded as. Other decisions are not recorded.
EVENTS: Final[Mapping[Kind, Event]] = MappingProxyType(
    {
        Kind.STOP: Event.GRAB,
        Kind.WITHDRAW: Event.WITHDRAWN,
        Kind.SAY_AGAIN: Event.WITHDRAWN_IN_VAIN,
        Kind.OVERLAP: Event.OVERLAP,
        Kind.ECHO: Event.ECHO,
    }
)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision, with its time and its reason."""

    #: Seconds on the clock of the inputs.
    at: float
    kind: Kind
    #: Name of the `FloorEvent` that caused the decision.
    reason: str
    #: What the candidate's sound is; None if it is not known.
    verdict: Verdict | None = None
    #: Share of the words of our line that were said, from 0 to 1.
    share: float = 1.0
    #: Voiced seconds of the candidate's sound.
    voiced_s: float = 0.0
    #: RESUME: seconds for which our line was paused. If they are many, the caller may begin again
    #: at the start of the phrase.
    gap_s: float = 0.0
    #: OVERLAP and ECHO: the text, which is stored with the interview and never logged.
    text: str = field(default="", repr=False)
    #: ECHO: the candidate's words after the echo in the same transcript, which are a turn.
    rest: str = field(default="", repr=False)

    @property
    def event(self) -> Event | None:
        """The event of the dialogue that the decision is recorded as; None for a mere order."""
        return EVENTS.get(self.kind)
