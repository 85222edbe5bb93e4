"""Whether what the candidate sends reaches us; where it does not, the line is held."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from worker.bounded import bounded

logger = logging.getLogger(__name__)

#: Seconds from one look to the next. Looks are counted, not seconds: an event loop that was
#: blocked for long says nothing about the network.
_LOOK_S: Final = 0.15
#: Looks without a packet after which what is being said counts as cut off: in silence a client
#: sends one every 0.4 s (Opus DTX), and the VAD ends speech after some 0.75 s without packets.
_CUT_LOOKS: Final = 3
#: The same until nobody is spoken to any more: while the candidate speaks, and in their silence,
#: of which a poor network loses a packet or two.
_HELD_LOOKS: Final = 7
_HELD_IN_SILENCE_LOOKS: Final = 14
#: Seconds for which the line is held at the most: the candidate may hear us all the same.
_LONGEST_S: Final = 10.0
#: Seconds that an answer survives: a shorter pause ends none, and what was said in it may still
#: come, for a server that hung passes on what it has kept (measured).
_HICCUP_S: Final = 2.0
#: Looks in a row at a candidate who is quiet, until they are spoken to again: what a server that
#: hung has kept comes all at once, is played at the speed of speech, and its text takes a moment.
_QUIET_LOOKS: Final = 7
#: Seconds for that at the most.
_SETTLES_S: Final = 4.0
#: Seconds for what is done before the line is heard again.
_BEFORE_RETURN_S: Final = 4.0


class HeldLine(Protocol):
    """The line to the candidate, as far as it is asked here."""

    def hold(self) -> None:
        """Stop where it is."""

    def release(self) -> None:
        """Go on there."""


class Reception:
    """Notices that no packet of the candidate's microphone comes, though it should.

    A server that hangs or a network that fails is told by nobody for some 14 s (the SDK's ping),
    a candidate's lost connection for some 20 s. WebRTC makes up silence meanwhile (measured), so
    that half an answer would be taken for a whole one, and be answered to nobody.

    Args:
        packets: How many packets have come so far; None where none are to come, as from a
            microphone that is muted or not published.
        line: What is held.
        is_here: Whether the candidate is in the room.
        speaks: Whether the candidate is speaking.
        room_is_away: Whether somebody else takes care of it already.
        record: Told how long nothing came, in seconds, where the line was held.
    """

    def __init__(
        self,
        packets: Callable[[], Awaitable[int | None]],
        line: HeldLine,
        *,
        is_here: Callable[[], bool],
        speaks: Callable[[], bool],
        room_is_away: Callable[[], bool],
        record: Callable[[float], None],
    ) -> None:
        self._packets = packets
        self._line = line
        self._is_here = is_here
        self._speaks = speaks
        self._room_is_away = room_is_away
        self._record = record
        #: Told that what the candidate is saying does not come to its end here.
        self.on_lost: Callable[[], None] | None = None
        #: Awaited before the line is heard again, with the seconds for which nothing came.
        self.on_back: Callable[[float], Coroutine[Any, Any, None]] | None = None
        self._count: int | None = None
        self._looks = 0
        self._came_at = 0.0
        self._held_looks = _HELD_LOOKS
        self._held = False
        # It has been given up, until packets come again.
        self._given_up = False

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(_LOOK_S)
        finally:
            if self._held and not self._room_is_away():
                self._line.release()  # for the last words

    async def _look(self) -> None:
        count = await self._packets()
        now = asyncio.get_running_loop().time()
        if self._room_is_away():
            # Its return is that of everybody in it, and of the line.
            self._forget(count, now)
        elif count is None or count != self._count:
            if self._looks >= _CUT_LOOKS and not self._given_up:
                await self._back(now - self._came_at)
            self._forget(count, asyncio.get_running_loop().time())
        else:
            self._looks += 1
            await self._miss(now - self._came_at)

    def _forget(self, count: int | None, now: float) -> None:
        self._count, self._came_at, self._looks = count, now, 0
        self._held = self._given_up = False

    async def _miss(self, gone_s: float) -> None:
        if self._looks == _CUT_LOOKS:
            self._held_looks = _HELD_LOOKS if self._speaks() else _HELD_IN_SILENCE_LOOKS
            if self.on_lost is not None:
                self.on_lost()
        if self._looks == self._held_looks:
            logger.warning("nothing comes of the candidate's microphone, the line is held")
            self._held = True
            self._line.hold()
        if self._held and gone_s >= _LONGEST_S:
            self._given_up = True
            await self._back(gone_s)

    async def _back(self, gone_s: float) -> None:
        if self._held:
            self._record(gone_s)
        if gone_s >= _HICCUP_S:
            await self._settled()
        if self._room_is_away():
            return
        if self._held:
            logger.info("the candidate is spoken to again", extra={"away_s": round(gone_s, 1)})
        try:
            # Whoever has left is taken up when they are back.
            if self.on_back is not None and self._is_here():
                heard_none_s = gone_s if gone_s >= _HICCUP_S else 0.0
                await bounded(self.on_back(heard_none_s), _BEFORE_RETURN_S)
        except Exception as error:
            logger.warning("what was not heard is not said again: %s", type(error).__name__)
        if self._held and not self._room_is_away():
            self._line.release()
        self._held = False

    async def _settled(self) -> None:
        """Return once the candidate is quiet, or has spoken for long."""
        quiet_looks = 0
        for _ in range(round(_SETTLES_S / _LOOK_S)):
            quiet_looks = 0 if self._speaks() else quiet_looks + 1
            if quiet_looks > _QUIET_LOOKS or self._room_is_away():
                return
            await asyncio.sleep(_LOOK_S)
