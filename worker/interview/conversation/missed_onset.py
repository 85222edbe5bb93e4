"""Detection of missed onsets of the candidate's speech.

An onset is missed if the candidate starts to speak before the interviewer listens.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Final, Protocol, TypeVar

from worker.audio.gapless_input import is_made_up

logger = logging.getLogger(__name__)

#: Minimum seconds from the interviewer's first sound until the VAD reports the candidate's reaction
#: to that sound. Of the 0.5 s, 0.2 s are a person's reaction time; 0.3 s are the latency to the
#: candidate and back, and the delay of the VAD.
REACTION_S: Final = 0.5
#: Seconds from the end of speech until a transcript is no longer expected. The fallback chain
#: abandons a silent speech-to-text provider after 2 s (`PATIENCE_S` in
#: worker/speech/stt/fallback.py), and the next provider needs a moment.
TEXT_WITHIN_S: Final = 3.0
#: Seconds without a microphone frame after which the next frame counts as a new start of audio.
_GAP_S: Final = 0.5

Frame = TypeVar("Frame")


class Sounds(Protocol):
    """The part of the audio output that this module uses."""

    @property
    def first_heard_at(self) -> float | None:
        """Event-loop time of the first sound since the last `mark`; None if no sound was heard."""

    def mark(self) -> None:
        """Forget earlier sounds, so that `first_heard_at` refers to a later sound."""


class MissedOnset:
    """Detector of speech that began before the candidate could have heard this interviewer.

    A candidate can answer only after hearing the interviewer and reacting (`REACTION_S`). Speech
    that starts earlier may have lost its first words, so its transcript is a partial answer. The
    reaction time counts from the first sound on the audio output or from the first microphone
    frame, whichever is later. Speech is checked for a missed onset after an interviewer has taken
    over from another interviewer, and after an outage. Speech at the start of an interview is not
    checked, because no question was asked before it.

    Args:
        text: Returns the transcript of the current answer so far.
    """

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        #: True if the onset of the candidate's current or last speech was missed.
        self.cut = False
        # The audio output while the check for a missed onset runs; None otherwise.
        self._line: Sounds | None = None
        self._speaking = False
        # Event-loop times of the last start of speech, of the first microphone frame after a gap,
        # and of the last microphone frame.
        self._began_at = self._listens_from = self._frame_at = -math.inf
        self._forgetting: asyncio.TimerHandle | None = None

    def came(self, line: Sounds, away_s: float = math.inf) -> None:
        """Begin the check for a missed onset of the candidate's speech.

        Call this method when the interviewer has joined (`away_s` is infinite) or has returned
        after `away_s` seconds, before the candidate hears the interviewer. The check ends when
        `asked` is called.
        """
        line.mark()
        self._line = line
        since = asyncio.get_running_loop().time() - away_s
        if self._speaking or (self._text() and self._began_at >= since):
            self._miss()

    def listening(self, audio: AsyncIterable[Frame]) -> AsyncIterator[Frame]:
        """Return the microphone's frames unchanged, and note the arrival time of each frame."""
        return self._noticed(audio)

    async def _noticed(self, audio: AsyncIterable[Frame]) -> AsyncIterator[Frame]:
        clock = asyncio.get_running_loop().time
        async for frame in audio:
            now = clock()
            if not is_made_up(frame):
                if now - self._frame_at > _GAP_S:
                    self._listens_from = now
                self._frame_at = now
            yield frame

    def candidate_moved(self, *, speaks: bool) -> None:
        """Handle a start or an end of the candidate's speech."""
        if speaks == self._speaking:
            return
        self._speaking = speaks
        self.stop()
        loop = asyncio.get_running_loop()
        if not speaks:
            if self.cut:
                self._forgetting = loop.call_later(TEXT_WITHIN_S, self._came_to_nothing)
            return
        self._began_at = loop.time()
        if self._line is None:
            return
        heard_at = self._line.first_heard_at
        if heard_at is None or loop.time() < max(heard_at, self._listens_from) + REACTION_S:
            self._miss()
        else:
            self.asked()

    def asked(self) -> None:
        """End the check for a missed onset, because later speech answers this interviewer."""
        self._line = None

    def taken(self) -> None:
        """Clear `cut` (onset missed) after a committed answer, unless the candidate still speaks.

        If the candidate continues the same speech, the onset of that speech is still missing.
        """
        if not self._speaking:
            self.stop()
            self.cut = False

    def stop(self) -> None:
        """Cancel the timer that clears `cut` (onset missed)."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None

    def _miss(self) -> None:
        if not self.cut:
            logger.info(
                "the onset of the candidate's speech was missed",
                extra={"event": "speech_onset_missed"},
            )
        self.cut = True

    def _came_to_nothing(self) -> None:
        """Clear `cut` (onset missed) if no transcript followed.

        Otherwise the next answer would be marked as cut off.
        """
        if not self._text():
            self.cut = False
