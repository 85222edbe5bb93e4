"""Main-process side of continuity: renew leases, find orphaned interviews, redispatch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

from worker.aio.tasks import cancel_and_wait
from worker.continuity.dispatch_metadata import MetadataInvalid, read_metadata
from worker.continuity.redispatch import DatabaseOrphanStore, LiveKitRooms, Redispatcher, limits_of
from worker.continuity.room_recheck import RoomRecheckQueue
from worker.continuity.watcher import DUTY, Watcher
from worker.continuity.worker_registry import WorkerRegistry
from worker.job.application import declared_in
from worker.journal.liveness import Liveness
from worker.store.errors import DatabaseError
from worker.store.leases import LeaseHeld, renew_leases, take_lease
from worker.store.orphans import drop_leader_locks, hold_leader_lock

if TYPE_CHECKING:
    from worker.config.settings import Settings
    from worker.store.database import Database

logger = logging.getLogger(__name__)

#: Maximum seconds for the last database operation of a shutdown.
_LAST_S: Final = 1.0
#: Seconds added to the lease time before the second check of a room, so that the lease has
#: certainly expired.
_BEHIND_S: Final = 0.1


class ContinuityService:
    """Runs the continuity tasks of one worker in its main process.

    Args:
        settings: Lease times, journal folder, LiveKit access and redispatch limits.
        database: Returns the database, or None while it is not available.
        jobs: Returns the ids of the accepted jobs, each with the pid of the job's process, or None
            if the job has no process yet.
        seats: Returns the number of free slots; None while the worker takes no jobs.
        on_sent: Called with the reason after each redispatch.
    """

    def __init__(
        self,
        settings: Settings,
        database: Callable[[], Database | None],
        *,
        jobs: Callable[[], Mapping[str, int | None]],
        seats: Callable[[], int | None],
        on_sent: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._database = database
        self._jobs = jobs
        #: A stopped process must not keep its lease.
        self._liveness = Liveness(settings.journal_dir)
        #: Unique to this process: an earlier worker process on this machine had another id.
        self.worker_id = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._rescue = Redispatcher(
            LiveKitRooms(settings),
            identity=declared_in(settings).identity,
            grace_s=settings.candidate_grace_s,
            on_sent=on_sent,
        )
        self._limits = limits_of(settings)
        self._watcher = Watcher(on_duty=self._on_duty, look=self._look, every_s=settings.watch_s)
        self._looks = RoomRecheckQueue(self._look_at_room, again_s=settings.lease_s + _BEHIND_S)
        #: This worker's heartbeat, and the lookup of its peers.
        self.presence = WorkerRegistry(
            database,
            worker_id=self.worker_id,
            agent_name=settings.agent_name,
            seats=seats,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._errands: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the background tasks. Call this method on the event loop."""
        self._tasks = [
            asyncio.create_task(self._renew(), name="renew-leases"),
            asyncio.create_task(self._watcher.run(), name="watcher"),
            asyncio.create_task(self.presence.run(), name="presence"),
            asyncio.create_task(self._looks.run(), name="look-at-rooms"),
        ]

    async def aclose(self) -> None:
        """Stop the tasks, and drop the leader lock so that another worker can take the lock.

        The leases are not released. The leases expire, because this worker no longer renews them.
        """
        tasks, self._tasks = self._tasks, []
        await cancel_and_wait(*tasks, *self._errands)
        await self.presence.leave()
        if self._watcher.acts and (database := self._database()) is not None:
            with contextlib.suppress(DatabaseError):
                await drop_leader_locks(
                    database, [DUTY], worker_id=self.worker_id, budget_s=_LAST_S
                )

    def dispatch_taken(self, job_id: str, metadata: str) -> None:
        """Take the lease for an accepted job, in the background.

        The lease keeps other workers from redispatching the interview. If this worker dies before
        the job has started, the lease expires and the leader redispatches the interview.
        """
        if (database := self._database()) is None:
            return
        with contextlib.suppress(MetadataInvalid):
            interview_id, _ = read_metadata(metadata)
            self._spawn(self._take_lease(database, interview_id, job_id), "take-lease")

    async def _take_lease(self, database: Database, interview_id: str, job_id: str) -> None:
        try:
            await take_lease(
                database,
                interview_id,
                job_id=job_id,
                lease_s=self._settings.lease_s,
                budget_s=self._settings.lease_s,
            )
        except LeaseHeld:
            pass  # the job itself detects that another job holds the lease, and ends
        except DatabaseError as error:
            # The job takes the lease once the job has the database. A redispatch may come earlier.
            logger.warning(
                "the worker could not take the lease of an accepted job: %s",
                error,
                extra={"event": "accepted_job_lease_not_taken"},
            )

    async def job_gone(self, job_id: str) -> None:
        """Redispatch this job's interview if it is orphaned and its candidate is in the room.

        Call this after the job's journal is in the database, because the next interviewer reads the
        turns there, or when it is certain that the journal cannot be ingested.
        """
        if (database := self._database()) is not None:
            await self._rescue.look_at(DatabaseOrphanStore(database, self._limits), job_id=job_id)

    def room_changed(self, room: str) -> bool:
        """Check a room now, because a participant joined or left the room.

        Return False if no check is possible now, because the tasks are not running or there is no
        database. Two workers that receive the same webhook send only one interviewer, because both
        claim the same token. A webhook that one worker receives twice also sends only one
        interviewer.
        """
        if not self._tasks or self._database() is None:
            return False
        self._looks.soon(room)
        return True

    async def _look_at_room(self, room: str) -> None:
        if (database := self._database()) is not None:
            await self._rescue.look_at(DatabaseOrphanStore(database, self._limits), room=room)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        errand = asyncio.create_task(work, name=name)
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def _on_duty(self, for_s: float) -> bool:
        if (database := self._database()) is None:
            return False
        return await hold_leader_lock(database, DUTY, worker_id=self.worker_id, for_s=for_s)

    async def _look(self, anew: bool) -> None:
        if (database := self._database()) is not None:
            await self._rescue.look(DatabaseOrphanStore(database, self._limits), anew=anew)

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._settings.lease_renew_s
            if (database := self._database()) is not None:
                try:
                    await renew_leases(
                        database,
                        await self._liveness.living(self._jobs()),
                        worker_id=self.worker_id,
                        lease_s=self._settings.lease_s,
                        budget_s=self._settings.lease_renew_s,
                    )
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
            await asyncio.sleep(max(0.0, due - loop.time()))
