"""Whether the beginning of what the candidate says was missed: nobody listened when it began."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Final, Protocol, TypeVar

from worker.speech.steady_input import is_made_up

logger = logging.getLogger(__name__)

#: Seconds from a sound to the first word of somebody who speaks because of it. To press a key
#: takes 0.2; the rest is the way to the candidate's ear and back, and the VAD's.
REACTION_S: Final = 0.5
#: Seconds after which speech that has given no text gives none: a speech recognition that is
#: silent is left after 2, and the next one needs a moment.
TEXT_WITHIN_S: Final = 3.0
#: Seconds without a frame of the microphone after which it is listened to anew.
_GAP_S: Final = 0.5

Frame = TypeVar("Frame")


class Sounds(Protocol):
    """The line to the candidate, as far as it is asked here."""

    @property
    def first_heard_at(self) -> float | None:
        """The loop's time at which something was heard first since `mark`; None where nothing."""

    def mark(self) -> None:
        """Look for the first sound from now on."""


class MissedBeginning:
    """Tells speech that was under way when we came from speech that answers us.

    Whoever begins to speak before they can have heard us, and `REACTION_S`, may have said words
    that nobody heard: what is heard of it is half an answer. That counts from the first sound
    on the line, or from the first frame of the microphone where that comes later. It holds for
    one interviewer who goes on for another, and after an outage; never for the first one, who
    has asked nothing yet.

    Args:
        text: What was understood of the answer that is being given, so far.
    """

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        #: The beginning of what the candidate says, or has just said, was missed.
        self.cut = False
        # The line, as long as speech may begin that is not for us.
        self._line: Sounds | None = None
        self._speaking = False
        # The loop's times of the last beginning of speech, of the frame that was the first after
        # a gap, and of the last one.
        self._began_at = self._listens_from = self._frame_at = -math.inf
        self._forgetting: asyncio.TimerHandle | None = None

    def came(self, line: Sounds, away_s: float = math.inf) -> None:
        """We are here, or are again after so many seconds, and are about to be heard."""
        line.mark()
        self._line = line
        since = asyncio.get_running_loop().time() - away_s
        if self._speaking or (self._text() and self._began_at >= since):
            self._miss()

    def listening(self, audio: AsyncIterable[Frame]) -> AsyncIterator[Frame]:
        """The microphone's frames as they come, each of them noticed."""
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
        """The candidate has begun to speak, or has ended."""
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
        """The candidate knows that we are here: what begins from now on answers us."""
        self._line = None

    def taken(self) -> None:
        """What was said so far has become a turn; the rest of it has no beginning either."""
        if not self._speaking:
            self.stop()
            self.cut = False

    def stop(self) -> None:
        """Wait for nothing."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None

    def _miss(self) -> None:
        if not self.cut:
            logger.info("the beginning of what the candidate says was missed")
        self.cut = True

    def _came_to_nothing(self) -> None:
        """A cough is no half answer: what is said next is whole."""
        if not self._text():
            self.cut = False
