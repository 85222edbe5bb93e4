"""The leader's periodic check for orphaned interviews. One worker at a time is the leader."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from worker.store.errors import DatabaseError

logger = logging.getLogger(__name__)

#: Name of the leader lock, which is a row in the table `duties`.
DUTY: Final = "watch"
#: Seconds that the leader lock lasts beyond one check period. If the leader dies, another worker
#: has the lock before the leases of the dead worker's interviews expire.
SPARE_S: Final = 2.0


class Watcher:
    """Checks for orphaned interviews periodically, while this worker holds the leader lock.

    Args:
        on_duty: Takes or renews the leader lock for the given seconds; returns False while
            another worker holds it.
        look: Finds and redispatches orphaned interviews. The argument is True for the first check
            since this worker took the lock.
        every_s: Seconds between two checks.
    """

    def __init__(
        self,
        *,
        on_duty: Callable[[float], Awaitable[bool]],
        look: Callable[[bool], Awaitable[object]],
        every_s: float,
    ) -> None:
        self._on_duty = on_duty
        self._look = look
        self._every_s = every_s
        #: True while this worker is the leader.
        self.acts = False

    async def run(self) -> None:
        """Check periodically until cancelled. A failed check is only logged."""
        while True:
            try:
                acts = await self._on_duty(self._every_s + SPARE_S)
                anew = acts and not self.acts
                if anew:
                    logger.info(
                        "this worker became the leader that scans for orphaned interviews",
                        extra={"event": "orphan_scan_leader_elected"},
                    )
                self.acts = acts
                if acts:
                    await self._look(anew)
            except DatabaseError as error:
                self.acts = False
                logger.warning(
                    "the scan for orphaned interviews failed: %s",
                    error,
                    extra={"event": "orphan_scan_failed"},
                )
            except Exception:
                logger.exception(
                    "the scan for orphaned interviews failed", extra={"event": "orphan_scan_failed"}
                )
            await asyncio.sleep(self._every_s)
