"""Checks of rooms that a webhook named, immediately and again after the lease timeout."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from worker.store.errors import DatabaseError

logger = logging.getLogger(__name__)


class RoomRecheckQueue:
    """Queue of room checks, which run one at a time, so that they do not delay lease renewals.

    Args:
        look: Checks the room with the given name.
        again_s: Seconds until the second check of a room. The lease of an interviewer that
            disappeared silently has expired before the second check.
    """

    def __init__(self, look: Callable[[str], Awaitable[object]], *, again_s: float) -> None:
        self._look = look
        self._again_s = again_s
        #: Names of the rooms that wait for a check, in the order of the checks, without duplicates.
        self._due: dict[str, None] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._told = asyncio.Event()

    def soon(self, room: str) -> None:
        """Check `room` as soon as possible, and again `again_s` seconds after the last call."""
        self._put(room)
        if (later := self._later.get(room)) is not None:
            later.cancel()
        loop = asyncio.get_running_loop()
        self._later[room] = loop.call_later(self._again_s, self._put_again, room)

    async def run(self) -> None:
        """Check rooms until cancelled.

        An error is only logged, because the leader's periodic check finds the same interviews.
        """
        try:
            while True:
                await self._told.wait()
                if (room := next(iter(self._due), None)) is None:
                    self._told.clear()
                    continue
                del self._due[room]
                try:
                    await self._look(room)
                except DatabaseError as error:
                    logger.warning(
                        "checking who is in a room failed: %s",
                        error,
                        extra={"event": "room_check_failed"},
                    )
                except Exception:
                    logger.exception(
                        "checking who is in a room failed", extra={"event": "room_check_failed"}
                    )
        finally:
            for later in self._later.values():
                later.cancel()

    def _put(self, room: str) -> None:
        self._due[room] = None
        self._told.set()

    def _put_again(self, room: str) -> None:
        del self._later[room]
        self._put(room)
