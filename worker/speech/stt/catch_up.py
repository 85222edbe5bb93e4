"""Finds out whether a transcript of earlier speech is still expected."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from worker.speech.stt.catch_up_state import TRANSITIONS, CatchUpEvent, CatchUpState
from worker.speech.stt.pending_speech import PendingSpeech

logger = logging.getLogger(__name__)

#: Seconds for which the transcript of buffered speech is expected while no provider is available,
#: counted from the moment at which speech first had to wait, or from the end of that speech.
UNATTENDED_S: Final = 30.0
#: Seconds for which a transcript of buffered speech is expected from the provider that received the
#: speech. The seconds count from the latest of three moments: the provider received the speech, its
#: last text came, the speech ended. The value is the longest pause that ends an answer.
OVERDUE_S: Final = 6.0
#: Seconds for which the transcript of buffered speech is expected while the speaker still speaks,
#: counted from the moment at which speech first had to wait, or from the last text. The oldest
#: audio of longer speech without a transcript is dropped.
SPEAKING_S: Final = 60.0
#: Seconds after `patience_s` for which the transcript of live speech is still expected. When
#: `patience_s` is over, another provider gets the speech, which then counts as buffered.
DUE_MARGIN_S: Final = 1.0
#: Minimum seconds of a sound that certainly contains words. A cough is shorter.
LEAST_SPEECH_S: Final = 1.0

#: The states in which an open stream has no buffered speech to transcribe, as far as is known.
_OVER: Final = frozenset({CatchUpState.LIVE, CatchUpState.DOUBTFUL})


class CatchUp:
    """Knows whether speech-to-text is behind: a transcript of earlier speech is still expected.

    A provider that hears speech live may give its final transcript late, if the provider, the
    network or the machine is slow. If the turn ended before the final transcript, the turn would
    lack the words of the transcript. Therefore a final transcript is still expected after the end
    of speech if there was interim text or at least `LEAST_SPEECH_S` seconds of speech.

    Speech is buffered for a provider that did not receive it while it was spoken, because another
    stream failed or no provider was available. The provider needs some time to transcribe the
    buffered speech, even if the provider is faster than real time. While the provider transcribes
    buffered speech, a pause between transcripts does not mean that the speaker has paused or
    finished.

    While the speaker speaks, a transcript of buffered speech is expected for at most `SPEAKING_S`
    seconds. While the speaker is silent, the limit is `UNATTENDED_S` seconds if no provider is
    available, and `OVERDUE_S` seconds if a provider transcribes the buffered speech. A final
    transcript of live speech is expected for `patience_s` plus `DUE_MARGIN_S` seconds; after
    `patience_s` seconds another provider gets the speech. `on_over` is called when no transcript of
    earlier speech is expected any more, before calls of `over` return.
    """

    def __init__(
        self, watch: PendingSpeech, on_over: Callable[[], None], *, patience_s: float
    ) -> None:
        self.state = CatchUpState.UNATTENDED
        self._watch = watch
        self._on_over = on_over
        self._due_within_s = patience_s + DUE_MARGIN_S
        #: True if interim text has come since the last final transcript.
        self._interim = False
        #: Position, in seconds of audio, that a final transcript of the buffered speech must reach.
        self._due_s = 0.0
        # Event loop times since which speech has had to wait, at which the newest provider received
        # buffered speech, and at which the last text arrived.
        self._behind_since: float | None = None
        self._opened_at = self._text_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """True if earlier speech is expected to get a transcript."""
        if self.state is CatchUpState.UNATTENDED:
            return self._watch.owed
        return self.state in {CatchUpState.DUE, CatchUpState.CATCHING_UP}

    @property
    def catching_up(self) -> bool:
        """True if a provider has received buffered speech, and has not transcribed all of it."""
        return self.state is CatchUpState.CATCHING_UP

    async def over(self) -> None:
        """Wait until speech-to-text is no longer behind."""
        while self.is_behind:
            self._news.clear()
            await self._news.wait()

    # --- events -----------------------------------------------------------------------------------

    def opened(self, *, late: bool, found_nothing: bool) -> None:
        """Handle a new stream of a provider.

        `late` is True if the stream received buffered speech. `found_nothing` is True if another
        provider, which works, gave no text for the buffered speech.
        """
        self._interim = False
        event = CatchUpEvent.OPENED
        if late:
            self._due_s = self._watch.due_s
            self._opened_at = asyncio.get_running_loop().time()
            is_sound = found_nothing and self._watch.untranscribed_s < LEAST_SPEECH_S
            event = CatchUpEvent.OPENED_FOR_SOUND if is_sound else CatchUpEvent.OPENED_LATE
        self._enter(event)

    def text_came(self, *, final: bool) -> None:
        """Handle text of the provider, interim or final, before it is passed on."""
        self._text_at = asyncio.get_running_loop().time()
        self._interim = not final
        self._enter(CatchUpEvent.TEXT)
        if not (final or self._watch.speaking):
            self._look_at_live_speech()

    def final_came(self) -> None:
        """Handle a final transcript that was already passed to `PendingSpeech`."""
        if self.state is CatchUpState.DUE:
            transcribed = not self._words_due
        else:
            transcribed = not self._watch.owed or self._watch.understood_s >= self._due_s
        if transcribed:
            self._enter(CatchUpEvent.TRANSCRIBED)
        else:
            self.look()

    def speech_changed(self) -> None:
        """Handle a start or an end of speech."""
        if self._watch.speaking:
            self._enter(CatchUpEvent.SPEECH_BEGAN)
        else:
            self._look_at_live_speech()

    def stream_ended(self) -> None:
        """Handle the end of the provider's stream."""
        self._enter(CatchUpEvent.STREAM_ENDED)

    def close(self) -> None:
        """Handle the end of the audio, after which no transcript is expected."""
        self._enter(CatchUpEvent.CLOSED)

    def look(self) -> None:
        """Handle a change in `PendingSpeech`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.is_behind:
            self._behind_since = None
            self._news.set()
            return
        loop = asyncio.get_running_loop()
        if self._behind_since is None:
            self._behind_since = loop.time()
        self._timer = loop.call_at(self._ends_at(self._behind_since), self._time_over)

    @property
    def _words_due(self) -> bool:
        """True if speech with words has ended, and some of its words have no final transcript."""
        return self._interim or (self._watch.owed and self._watch.untranscribed_s >= LEAST_SPEECH_S)

    def _look_at_live_speech(self) -> None:
        """Expect a transcript if speech has ended within the last `OVERDUE_S` seconds."""
        now = asyncio.get_running_loop().time()
        if self._words_due and now - self._watch.ended_at < OVERDUE_S:
            self._enter(CatchUpEvent.WORDS_DUE)
        else:
            self.look()

    def _ends_at(self, behind_since: float) -> float:
        """Return the event loop time until which the transcript is expected."""
        if self.state is CatchUpState.DUE:
            return max(self._watch.ended_at, self._text_at) + self._due_within_s
        if self._watch.speaking:
            return max(behind_since, self._text_at) + SPEAKING_S
        if self.state is CatchUpState.UNATTENDED:
            return max(behind_since, self._watch.ended_at) + UNATTENDED_S
        return max(self._opened_at, self._text_at, self._watch.ended_at) + OVERDUE_S

    def _time_over(self) -> None:
        logger.info(
            "the transcript of earlier speech is overdue and no longer expected",
            extra={"event": "stt_transcript_overdue"},
        )
        self._enter(CatchUpEvent.OVERDUE)

    def _enter(self, event: CatchUpEvent) -> None:
        before, self.state = self.state, TRANSITIONS.get((self.state, event), self.state)
        if self.state is not before and self.state in _OVER:
            self._on_over()
        self.look()
