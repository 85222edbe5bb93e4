"""The heartbeat of a worker: renews its leases, and updates its row in the table `workers`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from worker.aio.backoff import jittered, spread
from worker.aio.tasks import cancel_and_wait
from worker.store.errors import DatabaseError
from worker.store.heartbeat import WorkerRow, beat, note_contact
from worker.store.leases import LeaseHeld, LeaseRefused, take_lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from worker.store.database import Database
    from worker.store.heartbeat import Beat
    from worker.store.scope import Scope

logger = logging.getLogger(__name__)

#: Seconds between two writes of the worker's row. Every heartbeat renews the leases.
_ROW_EVERY_S: Final = 1.0
#: Time budget of a renewal, as a share of the lease duration, so that no lease is lost if two
#: renewals fail.
_BUDGET: Final = 1 / 3
#: Maximum number of leases that are taken at once, so that a heartbeat does not wait for a
#: connection when many jobs are accepted at once. If the heartbeats of all workers were late, no
#: lease would expire for one lease duration, as after an outage of the database.
_TAKEN_AT_ONCE: Final = 3
#: Seconds between two attempts to take the lease of an accepted job.
_TAKE_AGAIN_S: Final = 1.0


class Heartbeat:
    """Renews the leases of a worker's living jobs, and takes the leases of accepted jobs.

    Args:
        database: Returns the database, or None while it is not available.
        worker_id: Id of the worker.
        scope: The interviews that belong to the worker.
        jobs: Returns the ids of the accepted jobs that are alive.
        seats: Returns the number of free slots; None while the worker takes no jobs.
        lease_s: Duration of a lease in seconds.
        every_s: Seconds between two heartbeats.
        on_renewal: Called after each heartbeat with True if it succeeded.
    """

    def __init__(
        self,
        database: Callable[[], Database | None],
        *,
        worker_id: str,
        scope: Scope,
        jobs: Callable[[], Awaitable[Collection[str]]],
        seats: Callable[[], int | None],
        lease_s: float,
        every_s: float,
        on_renewal: Callable[[bool], object] = lambda succeeded: None,
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._scope = scope
        self._jobs = jobs
        self._seats = seats
        self._lease_s = lease_s
        self._every_s = every_s
        self._on_renewal = on_renewal
        self._woken = asyncio.Event()
        #: The accepted jobs that were alive at the last heartbeat.
        self._living: Collection[str] = ()
        #: The jobs that were in `_untaken` when the last heartbeat began.
        self._checked: tuple[str, ...] = ()
        #: Loop time from which the worker's row is written again.
        self._row_due = 0.0
        #: Interview and room of each accepted job whose lease the worker has not seen taken yet.
        self._untaken: dict[str, tuple[str, str]] = {}
        self._taking: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_TAKEN_AT_ONCE)
        #: True if this worker is the leader of its scope, or may become the leader because no
        #: worker is.
        self.may_lead = False

    async def run(self) -> None:
        """Send heartbeats until cancelled. A failed heartbeat is only logged.

        The first heartbeat is sent after a random part of the interval, because the workers of a
        fleet may start at the same time.
        """
        loop = asyncio.get_running_loop()
        try:
            await self._rest(spread(self._every_s))
            while True:
                due = loop.time() + jittered(self._every_s)
                self._woken.clear()
                if (database := self._database()) is not None:
                    await self._beat_safely(database)
                await self._rest(due - loop.time())
        finally:
            await cancel_and_wait(*self._taking.values())

    async def _rest(self, seconds: float) -> None:
        """Wait for `seconds`, or less if the worker's row must be written earlier."""
        # `asyncio.wait_for` is not used, because up to Python 3.11 it drops a cancellation that
        # arrives together with the awaited result, so that the loop of `run` would never end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()

    def changed(self) -> None:
        """Write the worker's row now, because the worker started or stopped taking interviews."""
        self._row_due = 0.0
        self._woken.set()

    def accepted(self, job_id: str, interview_id: str, *, room: str) -> None:
        """Try in the background to take the lease of an accepted job, until an attempt succeeds.

        The lease keeps other workers from redispatching the interview. If the worker dies before
        the accepted job has started, the lease expires and the leader redispatches the interview.
        """
        self._untaken[job_id] = interview_id, room
        if (database := self._database()) is not None:
            self._take(database, job_id)

    async def _beat_safely(self, database: Database) -> None:
        try:
            found = await self._beat(database)
        except DatabaseError as error:
            logger.warning(
                "the renewal of the leases failed: %s",
                error,
                extra={"event": "lease_renewal_failed"},
            )
        except Exception:
            logger.exception(
                "the renewal of the leases failed", extra={"event": "lease_renewal_failed"}
            )
        else:
            self._on_renewal(True)
            self._take_untaken(database, found)
            return
        self.may_lead = False
        self._on_renewal(False)

    async def _beat(self, database: Database) -> Beat:
        loop = asyncio.get_running_loop()
        row = None
        if loop.time() >= self._row_due:
            seats = self._seats()
            row = WorkerRow(takes_jobs=seats is not None, free_slots=seats or 0)
        # A job that is accepted after this line may be missing among the living jobs.
        self._checked = tuple(self._untaken)
        self._living = await self._jobs()
        found = await beat(
            database,
            self._living,
            worker_id=self._worker_id,
            scope=self._scope,
            lease_s=self._lease_s,
            every_s=self._every_s,
            row=row,
            budget_s=self._lease_s * _BUDGET,
        )
        if row is not None:
            self._row_due = loop.time() + _ROW_EVERY_S - self._every_s / 2
        self.may_lead = found.may_lead
        if found.contact_is_due:
            await note_contact(
                database,
                lease_s=self._lease_s,
                every_s=self._every_s,
                budget_s=self._lease_s * _BUDGET,
            )
        return found

    def _take_untaken(self, database: Database, found: Beat) -> None:
        """Take the leases that the worker could not take when it accepted the jobs."""
        for job_id in self._checked:
            if job_id in found.held or job_id not in self._living:
                self._untaken.pop(job_id, None)
            elif job_id in self._untaken and job_id not in self._taking:
                self._take(database, job_id)

    def _take(self, database: Database, job_id: str) -> None:
        task = asyncio.create_task(
            self._take_lease(database, job_id, *self._untaken[job_id]), name="take-lease"
        )
        self._taking[job_id] = task
        task.add_done_callback(lambda done: self._taken(job_id, done))

    def _taken(self, job_id: str, task: asyncio.Task[None]) -> None:
        del self._taking[job_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error(
                "the worker could not take the lease of an accepted job: %s",
                type(error).__name__,
                extra={"event": "accepted_job_lease_not_taken"},
            )

    async def _take_lease(
        self, database: Database, job_id: str, interview_id: str, room: str
    ) -> None:
        try:
            async with self._places:
                await take_lease(
                    database,
                    interview_id,
                    job_id=job_id,
                    lease_s=self._lease_s,
                    room=room,
                    scope=self._scope,
                    budget_s=self._lease_s,
                )
        except (LeaseHeld, LeaseRefused):
            pass  # the job itself detects that it cannot have the lease, and ends
        except DatabaseError as error:
            logger.warning(
                "the worker could not take the lease of an accepted job: %s",
                error,
                extra={"event": "accepted_job_lease_not_taken"},
            )
            # The job also takes the lease itself, once its database is loaded.
            await asyncio.sleep(jittered(_TAKE_AGAIN_S))
            return
        self._untaken.pop(job_id, None)
