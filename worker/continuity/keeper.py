"""The main process's part in continuity: leases renewed, and somebody sent who comes back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

from livekit.agents.utils import aio

from worker.continuity.presence import Presence
from worker.continuity.rescue import DatabaseLedger, LiveKitRooms, Rescue, limits_of
from worker.continuity.room_looks import RoomLooks
from worker.continuity.vital_signs import is_alive
from worker.continuity.watcher import DUTY, Watcher
from worker.dispatch_metadata import MetadataInvalid, read_metadata
from worker.store.errors import DatabaseError
from worker.store.leases import LeaseHeld, renew_leases, take_lease
from worker.store.stranded import drop_duties, hold_duty

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.pool import Database

logger = logging.getLogger(__name__)

#: Seconds for the last word to the database.
_LAST_S: Final = 1.0
#: Seconds after a lease at which it is over for sure.
_BEHIND_S: Final = 0.1


class Continuity:
    """Keeps the interviews of one worker going, in its main process.

    Args:
        settings: The lease, its period, and the folder of the journals.
        database: Returns the worker's database, or None while it has none.
        jobs: The jobs that were taken, and the pid of each that has a process.
        seats: How many interviews could be taken now; None while none at all.
        on_sent: Is told why, each time an interviewer was sent again.
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
        #: Told apart from every other worker, also from the one before on this machine.
        self.worker_id = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._rescue = Rescue(
            LiveKitRooms(settings), grace_s=settings.candidate_grace_s, on_sent=on_sent
        )
        self._limits = limits_of(settings)
        self._watcher = Watcher(on_duty=self._on_duty, look=self._look, every_s=settings.watch_s)
        self._looks = RoomLooks(self._look_at_room, again_s=settings.lease_s + _BEHIND_S)
        #: Tells the other workers of this one, and knows of them.
        self.presence = Presence(
            database,
            worker_id=self.worker_id,
            agent_name=settings.agent_name,
            seats=seats,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._errands: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin; to be called on the event loop."""
        self._tasks = [
            asyncio.create_task(self._renew(), name="renew-leases"),
            asyncio.create_task(self._watcher.run(), name="watcher"),
            asyncio.create_task(self.presence.run(), name="presence"),
            asyncio.create_task(self._looks.run(), name="look-at-rooms"),
        ]

    async def aclose(self) -> None:
        """Stop: another worker has the watch now. Leases then expire by themselves."""
        tasks, self._tasks = self._tasks, []
        await aio.cancel_and_wait(*tasks, *self._errands)
        await self.presence.leave()
        if self._watcher.acts and (database := self._database()) is not None:
            with contextlib.suppress(DatabaseError):
                await drop_duties(database, [DUTY], worker_id=self.worker_id, budget_s=_LAST_S)

    def dispatch_taken(self, job_id: str, metadata: str) -> None:
        """Take the lease for a job that will begin, in the background.

        So nobody else is sent, and somebody is if this worker dies before the job has begun.
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
            pass  # the job finds out itself, and leaves
        except DatabaseError as error:
            # The job takes it once it has the database; somebody else may be sent meanwhile.
            logger.warning("the lease is not taken yet: %s", error)

    async def job_gone(self, job_id: str) -> None:
        """Send another interviewer where this job's candidate waits for one.

        To be called once the job's journal is in the database: the newcomer goes on from there.
        """
        if (database := self._database()) is not None:
            await self._rescue.look_at(DatabaseLedger(database, self._limits), job_id=job_id)

    def room_changed(self, room: str) -> bool:
        """Look now, not at the next look, at a room in which somebody came or went.

        False where nobody can be looked for now. Two workers that are told the same, or one that
        is told twice, send one interviewer: they claim the same token.
        """
        if not self._tasks or self._database() is None:
            return False
        self._looks.soon(room)
        return True

    async def _look_at_room(self, room: str) -> None:
        if (database := self._database()) is not None:
            await self._rescue.look_at(DatabaseLedger(database, self._limits), room=room)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        errand = asyncio.create_task(work, name=name)
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def _on_duty(self, for_s: float) -> bool:
        if (database := self._database()) is None:
            return False
        return await hold_duty(database, DUTY, worker_id=self.worker_id, for_s=for_s)

    async def _look(self, anew: bool) -> None:
        if (database := self._database()) is not None:
            await self._rescue.look(DatabaseLedger(database, self._limits), anew=anew)

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._settings.lease_renew_s
            if (database := self._database()) is not None:
                try:
                    await renew_leases(
                        database,
                        self._living_jobs(),
                        worker_id=self.worker_id,
                        lease_s=self._settings.lease_s,
                        budget_s=self._settings.lease_renew_s,
                    )
                except DatabaseError as error:
                    logger.warning("leases were not renewed: %s", error)
                except Exception:
                    logger.exception("leases were not renewed")
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _living_jobs(self) -> list[str]:
        """A stopped process must not keep an interview for ever."""
        folder = self._settings.journal_dir
        jobs = self._jobs().items()
        return [each for each, pid in jobs if is_alive(folder / f"{each}.jsonl", pid)]
