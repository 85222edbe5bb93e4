"""Whether what is said in a room reaches the candidate, who is not told where it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from worker.bounded import bounded
from worker.speech.line import Line

logger = logging.getLogger(__name__)

#: Seconds for what is done before the line is heard again.
_BEFORE_RETURN_S: Final = 4.0
#: Seconds for a candidate who is in the room again to subscribe to the line: longer than that
#: nobody is waited for, as at the beginning.
_SUBSCRIBE_S: Final = 10.0
#: Seconds from a candidate's return to its hearing the line: 0.1 to 0.2 (measured), and some. The
#: server tells of a track's first subscription alone.
_HEARS_AGAIN_S: Final = 0.5
#: Seconds after which a room that is away is away for good. The SDK gives up after 18 to 19 s
#: where somebody refuses it; where nothing is answered at all, as by a machine that is cut off,
#: it was still at its first attempt after 110 s (livekit 1.1.21, measured).
GONE_S: Final = 30.0


class Reach:
    """Holds a line while the room is away, and until the candidate hears it again.

    While the server is away audio "plays" to nobody. Where it was restarted the track is
    published anew, and heard only once it is subscribed to: up to 5 s after the room is back
    (measured), for the candidate has to come back as well.

    Args:
        line: What is held.
        is_here: Whether the candidate is in the room.
    """

    def __init__(self, line: Line, is_here: Callable[[], bool]) -> None:
        self._line = line
        self._is_here = is_here
        #: Told when the room is away.
        self.on_lost: Callable[[], None] | None = None
        #: Told when the room is away for good, by our patience and not the SDK's.
        self.on_gone: Callable[[], None] | None = None
        self._gone: asyncio.TimerHandle | None = None
        #: Awaited before the line is heard again, with the seconds for which it was not.
        self.before_return: Callable[[float], Coroutine[Any, Any, None]] | None = None
        #: Awaited once a candidate who had left hears the line again, with the seconds of absence.
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
        """Whether the room is away, or not yet heard again."""
        return self._lost_at is not None

    def room_lost(self) -> None:
        """The connection to the room broke off."""
        self._wait_no_more()
        loop = asyncio.get_running_loop()
        if self._lost_at is None:
            self._lost_at = loop.time()
        if self._gone is None and self.on_gone is not None:
            self._gone = loop.call_later(GONE_S, self.on_gone)
        self._person_left_at = None  # the room's return is that of everybody in it
        self._room_is_back = self._replaced = self._subscribed = False
        self._line.hold()
        if self.on_lost is not None:
            self.on_lost()

    def track_replaced(self) -> None:
        """The line is another track: nobody hears it who has not subscribed to it."""
        self._replaced = True

    def room_back(self) -> None:
        """The room is there again."""
        self._room_is_back = True
        self._stop_clock()
        self._settle()

    def subscribed(self) -> None:
        """Somebody hears the line."""
        self._room_is_back = self._subscribed = True
        self._stop_clock()
        self._settle()

    def person_left(self) -> None:
        """The candidate alone is gone: the line is not held, since that may be for good."""
        if self._lost_at is None and self._person_left_at is None:
            self._person_left_at = asyncio.get_running_loop().time()
            if self.on_lost is not None:
                self.on_lost()

    def moved(self) -> None:
        """Somebody has come or gone."""
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
        """Wait for nobody any more."""
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
        # The track is subscribed to a moment before the candidate is said to be there.
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
        logger.warning("nobody has subscribed to the line again, speaking all the same")
        self._subscribed = True
        self._settle()

    def _return(self) -> None:
        self.close()
        assert self._lost_at is not None  # noqa: S101  # whoever calls it has looked
        away_s = asyncio.get_running_loop().time() - self._lost_at
        logger.info("the candidate hears the line again", extra={"away_s": round(away_s, 1)})
        if self.before_return is None:
            self._lost_at = None
            self._line.release()
            return
        returning = self._prepare(self.before_return(away_s))
        self._returning = asyncio.create_task(returning, name="return")

    async def _prepare(self, preparing: Coroutine[Any, Any, None]) -> None:
        try:
            await bounded(preparing, _BEFORE_RETURN_S)
        except Exception as error:
            logger.warning("what was not heard is not said again: %s", type(error).__name__)
        self._lost_at = None
        self._line.release()
