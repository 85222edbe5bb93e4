"""Main-process side of continuity: renew leases, find orphaned interviews, redispatch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from worker.aio.tasks import cancel_and_wait
from worker.continuity.dispatch_metadata import MetadataInvalid, read_metadata
from worker.continuity.heartbeat import Heartbeat
from worker.continuity.metadata_cipher import WorkerKeys
from worker.continuity.orphan_store import DatabaseOrphanStore, limits_of
from worker.continuity.redispatch import Redispatcher
from worker.continuity.room_recheck import RoomRecheckQueue
from worker.continuity.rooms import LiveKitRooms
from worker.continuity.scope import scope_of
from worker.continuity.watcher import Watcher
from worker.continuity.worker_registry import WorkerRegistry
from worker.job.application import declared_in
from worker.journal.liveness import Liveness
from worker.livekit_api.connection import LiveKitConnection
from worker.livekit_api.outbox import COUNTED, LiveKitOutbox
from worker.store.claims import end_closed
from worker.store.errors import DatabaseError
from worker.store.leader_lock import drop_leader_locks, hold_leader_lock
from worker.store.workers import drop_stale_workers

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
        on_renewal: Called after each renewal of the leases with True if it succeeded.
    """

    def __init__(
        self,
        settings: Settings,
        database: Callable[[], Database | None],
        *,
        jobs: Callable[[], Mapping[str, int | None]],
        seats: Callable[[], int | None],
        on_sent: Callable[[str], None],
        on_renewal: Callable[[bool], None],
    ) -> None:
        self._settings = settings
        self._database = database
        self._jobs = jobs
        #: Tells which processes live: the lease of a stopped process is not renewed.
        self._liveness = Liveness(settings.journal_dir)
        #: Id of the worker, different for each worker process, even on the same machine.
        self.worker_id = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._scope = scope_of(settings)
        self._livekit = LiveKitConnection.of(settings)
        self._keys = WorkerKeys.of(settings)
        self._outbox = LiveKitOutbox()
        self._rescue = Redispatcher(
            LiveKitRooms(
                self._livekit,
                agent_name=settings.agent_name,
                seal=lambda interview: self._keys.seal(interview),
                outbox=self._outbox,
            ),
            identity=declared_in(settings).identity,
            grace_s=settings.candidate_grace_s,
            on_sent=on_sent,
        )
        self._limits = limits_of(settings, self._scope)
        #: Renews the leases of this worker's jobs.
        self.heartbeat = self._make_heartbeat(seats, on_renewal)
        self._watcher = self._make_watcher()
        self._looks = RoomRecheckQueue(self._look_at_room, again_s=settings.lease_s + _BEHIND_S)
        #: The worker's own row and the free slots of the other workers, in the table `workers`.
        self.presence = WorkerRegistry(database, worker_id=self.worker_id, scope=self._scope)
        self._tasks: list[asyncio.Task[None]] = []

    def _make_heartbeat(
        self, seats: Callable[[], int | None], on_renewal: Callable[[bool], None]
    ) -> Heartbeat:
        return Heartbeat(
            self._database,
            worker_id=self.worker_id,
            scope=self._scope,
            jobs=lambda: self._liveness.living(self._jobs()),
            seats=seats,
            lease_s=self._settings.lease_s,
            every_s=self._settings.lease_renew_s,
            on_renewal=on_renewal,
        )

    def _make_watcher(self) -> Watcher:
        return Watcher(
            may_lead=lambda: self.heartbeat.may_lead,
            on_duty=self._on_duty,
            look=self._look,
            sweep=self._sweep,
            progress=lambda: self._outbox.answered,
            every_s=self._settings.watch_s,
        )

    def start(self) -> None:
        """Start the background tasks. An event loop must be running."""
        self._tasks = [
            asyncio.create_task(self.heartbeat.run(), name="heartbeat"),
            asyncio.create_task(self._watcher.run(), name="watcher"),
            asyncio.create_task(self._looks.run(), name="look-at-rooms"),
        ]

    def use(self, settings: Settings) -> None:
        """Sign later LiveKit calls and encrypt later dispatches with the secrets in `settings`.

        All other settings of the service stay unchanged.
        """
        self._livekit.use_key(
            settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
        )
        self._keys = WorkerKeys.of(settings)

    async def aclose(self) -> None:
        """Stop the tasks, and drop the leader lock so that another worker can take the lock.

        The leases are not released. The leases expire, because this worker no longer renews them.
        """
        tasks, self._tasks = self._tasks, []
        await cancel_and_wait(*tasks)
        await self._livekit.aclose()
        await self.presence.leave()
        if self._watcher.acts and (database := self._database()) is not None:
            with contextlib.suppress(DatabaseError):
                await drop_leader_locks(
                    database, [self._scope.duty], worker_id=self.worker_id, budget_s=_LAST_S
                )

    def dispatch_taken(self, job_id: str, room: str, metadata: str) -> None:
        """Take the lease for an accepted job, in the background (see `Heartbeat.accepted`)."""
        with contextlib.suppress(MetadataInvalid):
            interview_id, _ = read_metadata(metadata)
            self.heartbeat.accepted(job_id, interview_id, room=room)

    async def job_gone(self, job_id: str) -> None:
        """Redispatch this job's interview if it is orphaned and its candidate is in the room.

        Call this method once the job's journal is in the database, from which the next interviewer
        reads the turns, or once it is certain that the journal cannot be ingested.
        """
        if (database := self._database()) is not None:
            await self._rescue.look_at(DatabaseOrphanStore(database, self._limits), job_id=job_id)

    def room_changed(self, room: str) -> bool:
        """Check a room now, because a participant joined or left the room.

        Return False if no check is possible now, because the service is not running or there is no
        database. If two workers receive the same webhook, or one worker receives the webhook twice,
        only one interviewer is sent, because only one redispatch can claim the next fencing token.
        """
        if not self._tasks or self._database() is None:
            return False
        self._looks.soon(room)
        return True

    async def _look_at_room(self, room: str) -> None:
        if (database := self._database()) is not None:
            await self._rescue.look_at(DatabaseOrphanStore(database, self._limits), room=room)

    async def _on_duty(self, for_s: float) -> bool:
        if (database := self._database()) is None:
            return False
        return await hold_leader_lock(
            database, self._scope.duty, worker_id=self.worker_id, for_s=for_s
        )

    async def _look(self) -> None:
        COUNTED.set(True)
        if (database := self._database()) is not None:
            await self._rescue.look(DatabaseOrphanStore(database, self._limits))

    async def _sweep(self) -> None:
        """End interviews whose window has closed, and remove the rows of workers that are gone."""
        if (database := self._database()) is None:
            return
        await drop_stale_workers(database)
        for interview_id in await end_closed(database, self._scope):
            logger.info(
                "an interview ended, because its window has closed",
                extra={"event": "interview_window_closed", "interview_id": interview_id},
            )
