"""Looks at rooms of which something was told: at once, and once more a while later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from worker.store.errors import DatabaseError

logger = logging.getLogger(__name__)


class RoomLooks:
    """One look after the other, however much is told: the leases need the database as well.

    Args:
        look: Looks at the room of that name.
        again_s: Seconds after which a room is looked at once more: when the lease of somebody who
            went without a word is over.
    """

    def __init__(self, look: Callable[[str], Awaitable[object]], *, again_s: float) -> None:
        self._look = look
        self._again_s = again_s
        #: Rooms in the order in which they are looked at; each once.
        self._due: dict[str, None] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._told = asyncio.Event()

    def soon(self, room: str) -> None:
        """Something was told of a room. A look that waits, or comes later, serves this as well."""
        self._put(room)
        if (later := self._later.get(room)) is not None:
            later.cancel()
        loop = asyncio.get_running_loop()
        self._later[room] = loop.call_later(self._again_s, self._put_again, room)

    async def run(self) -> None:
        """Look until cancelled. A look that fails is logged; the watcher's own come later."""
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
                    logger.warning("a room was not looked at: %s", error)
                except Exception:
                    logger.exception("a room was not looked at")
        finally:
            for later in self._later.values():
                later.cancel()

    def _put(self, room: str) -> None:
        self._due[room] = None
        self._told.set()

    def _put_again(self, room: str) -> None:
        del self._later[room]
        self._put(room)
