"""Outbound connectivity: pause output while the candidate cannot hear it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from worker.aio.timeouts import run_with_timeout
from worker.audio.output import MixedAudioOutput

logger = logging.getLogger(__name__)

#: Seconds for the callbacks that run before output resumes.
_BEFORE_RETURN_S: Final = 4.0
#: Seconds for a candidate who is in the room again to subscribe to the audio track. After that time
#: output resumes anyway, as at the beginning of a job.
_SUBSCRIBE_S: Final = 10.0
#: Seconds from a candidate's return until the candidate hears the audio: 0.1 to 0.2 (measured),
#: plus a margin. This time is an estimate, because the server reports only a track's first
#: subscription.
_HEARS_AGAIN_S: Final = 0.5
#: Seconds after which a disconnected room counts as permanently lost. The SDK gives up after 18 to
#: 19 s if its connections are refused. If nothing answers at all, as on a machine that is cut off,
#: the SDK was still at its first attempt after 110 s (livekit 1.1.21, measured).
GONE_S: Final = 30.0


class OutboundMonitor:
    """Pauses output while the room is disconnected, and until the candidate hears it again.

    While the server is unavailable, audio would play without a listener. After a restart of the
    server, the track is published again. The candidate hears the new track only after subscribing
    to it. That takes up to 5 s after the room is back (measured), because the candidate has to
    reconnect as well.

    Args:
        line: The audio output to pause.
        is_here: Returns whether the candidate is in the room.
    """

    def __init__(self, line: MixedAudioOutput, is_here: Callable[[], bool]) -> None:
        self._line = line
        self._is_here = is_here
        #: Called when the room disconnects, or the candidate alone leaves.
        self.on_lost: Callable[[], None] | None = None
        #: Called when the room has been disconnected for `GONE_S`, even if the SDK still tries to
        #: reconnect.
        self.on_gone: Callable[[], None] | None = None
        self._gone: asyncio.TimerHandle | None = None
        #: Awaited before output resumes, with the seconds for which output was paused.
        self.before_return: Callable[[float], Coroutine[Any, Any, None]] | None = None
        #: Awaited once a candidate who had left hears the audio again, with the seconds of absence.
        self.on_person_back: Callable[[float], Coroutine[Any, Any, None]] | None = None
        self._person_left_at: float | None = None
        self._coming_back: asyncio.TimerHandle | None = None
        self._lost_at: float | None = None
        self._room_is_back = False
        self._replaced = False
        self._subscribed = False
        self._giving_up: asyncio.TimerHandle | None = None
        self._returning: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """True while the room is disconnected, or output has not resumed yet."""
        return self._lost_at is not None

    def room_lost(self) -> None:
        """Pause output, because the connection to the room is lost."""
        self._wait_no_more()
        loop = asyncio.get_running_loop()
        if self._lost_at is None:
            self._lost_at = loop.time()
        if self._gone is None and self.on_gone is not None:
            self._gone = loop.call_later(GONE_S, self.on_gone)
        self._person_left_at = None  # the room's return includes the candidate's return
        self._room_is_back = self._replaced = self._subscribed = False
        self._line.hold()
        if self.on_lost is not None:
            self.on_lost()

    def track_replaced(self) -> None:
        """Note that the track was published again, so only new subscribers hear the track."""
        self._replaced = True

    def room_back(self) -> None:
        """Note that the room is connected again, and resume output if possible."""
        self._room_is_back = True
        self._stop_clock()
        self._settle()

    def subscribed(self) -> None:
        """Note that a participant has subscribed to the track, and resume output if possible."""
        self._room_is_back = self._subscribed = True
        self._stop_clock()
        self._settle()

    def person_left(self) -> None:
        """Note that only the candidate left. Output continues, as the absence may be permanent."""
        if self._lost_at is None and self._person_left_at is None:
            self._person_left_at = asyncio.get_running_loop().time()
            if self.on_lost is not None:
                self.on_lost()

    def moved(self) -> None:
        """Handle the arrival or departure of a participant."""
        self._settle()
        if self._person_left_at is None or self._coming_back is not None or not self._is_here():
            return
        loop = asyncio.get_running_loop()
        self._coming_back = loop.call_later(_HEARS_AGAIN_S, self._person_back)

    def _person_back(self) -> None:
        self._coming_back = None
        if self._person_left_at is None or not self._is_here():
            return
        away_s = asyncio.get_running_loop().time() - self._person_left_at
        self._person_left_at = None
        if self.on_person_back is not None:
            taking_up = self._prepare(self.on_person_back(away_s))
            self._returning = asyncio.create_task(taking_up, name="return")

    def close(self) -> None:
        """Cancel all timers and pending callbacks."""
        self._stop_clock()
        self._wait_no_more()

    def _stop_clock(self) -> None:
        if self._gone is not None:
            self._gone.cancel()
            self._gone = None

    def _wait_no_more(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        if self._coming_back is not None:
            self._coming_back.cancel()
            self._coming_back = None
        if self._returning is not None:
            self._returning.cancel()
            self._returning = None

    def _settle(self) -> None:
        if self._lost_at is None or not self._room_is_back:
            return
        # The subscription is reported a moment before the candidate counts as present.
        if self._replaced and not self._is_here():
            return
        if self._replaced and not self._subscribed:
            if self._giving_up is None:
                loop = asyncio.get_running_loop()
                self._giving_up = loop.call_later(_SUBSCRIBE_S, self._give_up)
            return
        self._return()

    def _give_up(self) -> None:
        self._giving_up = None
        logger.warning(
            "audio output resumes although the candidate did not resubscribe in time",
            extra={"event": "audio_output_resumed_unsubscribed"},
        )
        self._subscribed = True
        self._settle()

    def _return(self) -> None:
        self.close()
        assert self._lost_at is not None  # noqa: S101  # checked by every caller
        away_s = asyncio.get_running_loop().time() - self._lost_at
        logger.info(
            "the candidate receives audio output again",
            extra={"event": "audio_output_received_again", "away_s": round(away_s, 1)},
        )
        if self.before_return is None:
            self._lost_at = None
            self._line.release()
            return
        returning = self._prepare(self.before_return(away_s))
        self._returning = asyncio.create_task(returning, name="return")

    async def _prepare(self, preparing: Coroutine[Any, Any, None]) -> None:
        try:
            await run_with_timeout(preparing, _BEFORE_RETURN_S)
        except Exception as error:
            logger.warning(
                "repeating the speech that the candidate did not hear failed: %s",
                type(error).__name__,
                extra={"event": "unheard_speech_not_repeated"},
            )
        self._lost_at = None
        self._line.release()
