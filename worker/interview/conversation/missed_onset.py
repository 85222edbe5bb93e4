"""Detection of missed onsets: the candidate started to speak before the interviewer listened."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Final, Protocol, TypeVar

from worker.audio.gapless_input import is_made_up

logger = logging.getLogger(__name__)

#: Seconds from a sound to the first word of a candidate who reacts to it. Pressing a key takes
#: 0.2 s. The rest is latency to the candidate and back, and the delay of the VAD.
REACTION_S: Final = 0.5
#: Seconds after which speech without a transcript will get none. The chain leaves a silent
#: speech-to-text provider after 2 s, and the next one needs a moment.
TEXT_WITHIN_S: Final = 3.0
#: Seconds without a microphone frame after which the next frame is a new start of the audio.
_GAP_S: Final = 0.5

Frame = TypeVar("Frame")


class Sounds(Protocol):
    """The part of the audio output to the candidate that this module uses."""

    @property
    def first_heard_at(self) -> float | None:
        """Event-loop time of the first audible sound since `mark`; None if there was none."""

    def mark(self) -> None:
        """Restart the search for the first sound."""


class MissedOnset:
    """Tells speech that was already under way from speech that answers this interviewer.

    A candidate can answer only after hearing the interviewer and reacting (`REACTION_S`). Speech
    that starts earlier may have lost its first words, so its transcript is a partial answer. The
    reaction time counts from the first sound on the audio output, or from the first microphone
    frame if that comes later. The check runs when an interviewer takes over from another one, and
    after an outage. It never runs for the first interviewer, who has asked nothing yet.

    Args:
        text: Returns the transcript of the current answer so far.
    """

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        #: True if the onset of the candidate's current or last speech was missed.
        self.cut = False
        # The audio output, while new speech may not be an answer to this interviewer; else None.
        self._line: Sounds | None = None
        self._speaking = False
        # Event-loop times of the last start of speech, the first frame after a gap, and the last
        # frame.
        self._began_at = self._listens_from = self._frame_at = -math.inf
        self._forgetting: asyncio.TimerHandle | None = None

    def came(self, line: Sounds, away_s: float = math.inf) -> None:
        """Start the check: the interviewer has joined, or is back after `away_s` seconds.

        Call this before the candidate hears the interviewer.
        """
        line.mark()
        self._line = line
        since = asyncio.get_running_loop().time() - away_s
        if self._speaking or (self._text() and self._began_at >= since):
            self._miss()

    def listening(self, audio: AsyncIterable[Frame]) -> AsyncIterator[Frame]:
        """Pass the microphone's frames through, and note when they arrive."""
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
        """End the check: speech that starts from now on answers this interviewer."""
        self._line = None

    def taken(self) -> None:
        """Clear `cut` after a commit, unless the candidate is still speaking.

        The rest of the same speech lacks its onset too.
        """
        if not self._speaking:
            self.stop()
            self.cut = False

    def stop(self) -> None:
        """Cancel the pending timer."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None

    def _miss(self) -> None:
        if not self.cut:
            logger.info("the onset of the candidate's speech was missed")
        self.cut = True

    def _came_to_nothing(self) -> None:
        """Clear `cut` if no transcript followed: treat the next speech as a complete answer."""
        if not self._text():
            self.cut = False
