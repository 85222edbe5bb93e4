"""The leader's periodic check for orphaned interviews.

The leader is one of the workers that share an agent name and a LiveKit server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from worker.aio.backoff import jittered
from worker.aio.tasks import cancel_and_wait, log_failure
from worker.store.errors import DatabaseError

logger = logging.getLogger(__name__)

#: Seconds that the leader lock lasts beyond one check period. The time is so short that, after the
#: leader's death, another worker has the lock when the leases of the dead worker's interviews
#: expire.
SPARE_S: Final = 1.5
#: Seconds between two attempts to renew the leader lock during a long check, while the check makes
#: no progress or the renewal fails.
_RENEW_AGAIN_S: Final = 0.2
#: Seconds between two calls of `sweep`.
SWEEP_EVERY_S: Final = 60.0


class Watcher:
    """Checks for orphaned interviews periodically, while this worker holds the leader lock.

    Args:
        may_lead: Returns True if this worker is the leader, or if there is no leader. While another
            worker is the leader, this worker does not ask for the lock.
        on_duty: Takes or renews the leader lock for the given seconds; returns False while
            another worker holds it.
        look: Finds and redispatches orphaned interviews.
        sweep: Called once a minute: ends interviews whose window has closed, and removes the rows
            of workers that are gone.
        progress: Returns a number that rises while a check makes progress. During a long check, the
            lock is renewed only if the number has risen, so that another worker becomes the leader
            if the check hangs.
        every_s: Seconds between two checks.
    """

    def __init__(
        self,
        *,
        may_lead: Callable[[], bool],
        on_duty: Callable[[float], Awaitable[bool]],
        look: Callable[[], Awaitable[object]],
        sweep: Callable[[], Awaitable[object]],
        progress: Callable[[], int] = lambda: 0,
        every_s: float,
    ) -> None:
        self._may_lead = may_lead
        self._on_duty = on_duty
        self._look = look
        self._sweep = sweep
        self._progress = progress
        self._every_s = every_s
        self._sweep_due = 0.0
        #: Loop time from which the leader lock is renewed: after half of its duration.
        self._renewal_due = 0.0
        #: True while this worker is the leader.
        self.acts = False

    async def run(self) -> None:
        """Check periodically until cancelled. A failed check is only logged."""
        while True:
            try:
                await self._check()
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
            await asyncio.sleep(jittered(self._every_s))

    async def _check(self) -> None:
        acts = self._may_lead() and await self._holds_lock()
        if acts and not self.acts:
            logger.info(
                "this worker became the leader that scans for orphaned interviews",
                extra={"event": "orphan_scan_leader_elected"},
            )
        self.acts = acts
        if not acts:
            return
        keeping = asyncio.create_task(self._keep_lock(), name="keep-leader-lock")
        keeping.add_done_callback(log_failure)
        try:
            await self._look()
        finally:
            await cancel_and_wait(keeping)
        if not self.acts:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._sweep_due:
            self._sweep_due = loop.time() + jittered(SWEEP_EVERY_S)
            await self._sweep()

    async def _holds_lock(self) -> bool:
        """Take the leader lock, or renew it if half of its duration has passed."""
        now = asyncio.get_running_loop().time()
        if self.acts and now < self._renewal_due:
            return True
        for_s = self._every_s + SPARE_S
        holds = await self._on_duty(for_s)
        self._renewal_due = now + for_s / 2
        return holds

    async def _keep_lock(self) -> None:
        """Renew the leader lock during a check that takes longer than the lock lasts.

        A check of a thousand interviews takes seconds. If another worker became the leader
        meanwhile, both workers would call LiveKit at the full rate, for the same interviews.
        """
        loop = asyncio.get_running_loop()
        reached = self._progress()
        while True:
            await asyncio.sleep(max(self._renewal_due - loop.time(), 0.0))
            if self._progress() == reached:
                await asyncio.sleep(_RENEW_AGAIN_S)
                continue
            try:
                if not await self._holds_lock():
                    self.acts = False
                    return
            except DatabaseError:
                await asyncio.sleep(_RENEW_AGAIN_S)
            else:
                reached = self._progress()
