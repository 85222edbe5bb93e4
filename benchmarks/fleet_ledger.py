"""Workers and jobs of the fleet benchmark: the real code of leases, heartbeats and redispatch.

A `FleetWorker` is the part of a worker's main process that uses the database, a `FleetJob` is that
part of a job's process. Only rooms, audio and the conversation are missing. With
benchmarks/fleet_statements.py this is the only module of the benchmark that calls that code.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.fleet_figures import RenewalGaps
from states import Event, MemoryJournal
from worker.aio.tasks import cancel_and_wait
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import read_metadata
from worker.continuity.job_lease import JobLease
from worker.continuity.scope import scope_of
from worker.continuity.service import ContinuityService
from worker.journal.shipper import JournalShipper
from worker.resources.resource import LoadFailed
from worker.store.database import Database, PoolLimits
from worker.store.errors import DatabaseError

if TYPE_CHECKING:
    from states import Lifecycle
    from worker.job.handle import JobHandle

#: Name of the database operation that renews the leases of a worker.
RENEWAL: Final = "renew_leases"
#: Name of the database operation that stores records of a job.
SHIPMENT: Final = "ship"

#: About as long as an answer of a candidate.
_WORDS: Final = "a candidate's answer of some forty words, one sentence after the other, " * 4


def settings_for(livekit_url: str, folder: Path, *, slots: int) -> Settings:
    """Return the settings of a worker: those of the environment, for the stand-in of LiveKit."""
    return Settings.load(
        LIVEKIT_URL=livekit_url,
        LIVEKIT_API_KEY="devkey",
        LIVEKIT_API_SECRET="secret-of-the-stand-in-which-checks-nothing",  # noqa: S106
        INTERVIEW_DATA_DIR=str(folder),
        INTERVIEW_SLOTS=str(slots),
    )


class Operations:
    """Counts the database operations of a process, by name."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def watch(self, database: Database, on_renewal: Callable[[], None]) -> None:
        """Count all operations of `database`; call `on_renewal` after each successful renewal."""
        for method in ("run", "fetch"):
            setattr(database, method, self._counted(getattr(database, method), on_renewal))

    def _counted(self, plain: Callable[..., Any], on_renewal: Callable[[], None]) -> Any:
        async def counted(name: str, *args: Any, **kwargs: Any) -> Any:
            try:
                answer = await plain(name, *args, **kwargs)
            except DatabaseError:
                self.failed[name] += 1
                raise
            self.done[name] += 1
            if name == RENEWAL:
                on_renewal()
            return answer

        return counted


class FleetWorker:
    """The continuity service of one worker, with a database pool of its own.

    The jobs of the worker share a second pool. In a real worker each job has a pool of its own.

    Args:
        settings: Settings of the worker.
        database_url: URL of the database, through the proxy.
        operations: Counts the operations of both pools.
        gaps: Records the time of each renewal.
    """

    def __init__(
        self, settings: Settings, database_url: str, operations: Operations, gaps: RenewalGaps
    ) -> None:
        self._settings = settings
        self._url = database_url
        self._operations = operations
        self._gaps = gaps
        self._database: Database | None = None
        self._jobs_database: Database | None = None
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self.sent: Counter[str] = Counter()
        #: Number of jobs that ended because another job has their lease.
        self.superseded = 0
        #: Errors that ended a job, by type.
        self.broken: Counter[str] = Counter()
        self._service = ContinuityService(
            settings,
            lambda: self._database,
            jobs=lambda: dict.fromkeys(self._jobs, None),
            seats=lambda: self.free_slots,
            on_sent=self._count_sent,
            on_renewal=lambda succeeded: None,
        )

    @property
    def free_slots(self) -> int:
        """The number of jobs that the worker can take now."""
        return self._settings.slots - len(self._jobs)

    async def start(self, *, after_s: float) -> None:
        """Open the pools, and start the service after a pause, as workers of a fleet do."""
        self._database = await Database.open(self._url, PoolLimits())
        self._jobs_database = await Database.open(self._url, PoolLimits())
        self._operations.watch(self._database, self._renewed)
        self._operations.watch(self._jobs_database, lambda: None)
        await asyncio.sleep(after_s)
        self._gaps.begin(self._service.worker_id)
        self._service.start()

    async def take(self, metadata: str, *, turns_per_minute: float) -> int | None:
        """Take a dispatch, and run its job; return the job's fencing token.

        Return None if the job has no lease: the database failed, or another job has the lease.
        """
        assert self._jobs_database is not None  # noqa: S101  # the worker was started
        interview_id, _ = read_metadata(metadata)
        job = FleetJob(self._settings, self._jobs_database, interview_id)
        ready: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(job, ready, turns_per_minute), name=job.job_id)
        self._jobs[job.job_id] = task
        task.add_done_callback(lambda _: self._jobs.pop(job.job_id, None))
        self._service.dispatch_taken(job.job_id, room_of(interview_id), metadata)
        return await ready

    def accept(self, metadata: str) -> None:
        """Accept a dispatch as the main process does, without a process of the job.

        The worker takes the lease and renews it.
        """
        job_id = f"AJ_{secrets.token_hex(6)}"
        self._jobs[job_id] = asyncio.create_task(_for_ever(), name=job_id)
        interview_id, _ = read_metadata(metadata)
        self._service.dispatch_taken(job_id, room_of(interview_id), metadata)

    async def aclose(self) -> None:
        """End the jobs and the service. The leases are not released."""
        await cancel_and_wait(*self._jobs.values())
        await self._service.aclose()
        for database in (self._database, self._jobs_database):
            if database is not None:
                await database.aclose(budget_s=1.0)

    async def _run(
        self, job: FleetJob, ready: asyncio.Future[int | None], turns_per_minute: float
    ) -> None:
        try:
            token = await job.take()
            if not ready.done():
                ready.set_result(token)
            await job.hold(turns_per_minute=turns_per_minute)
            self.superseded += 1
        except LoadFailed:
            self.superseded += 1
        except Exception as error:
            self.broken[type(error).__name__] += 1
        finally:
            if not ready.done():
                ready.set_result(None)

    def _renewed(self) -> None:
        self._gaps.renewed(self._service.worker_id)

    def _count_sent(self, why: str) -> None:
        self.sent[why] += 1


class FleetJob:
    """The lease and the shipping of one job."""

    def __init__(self, settings: Settings, database: Database, interview_id: str) -> None:
        self.job_id = f"AJ_{secrets.token_hex(6)}"
        self._database = database
        # The attributes of a `JobHandle` that a lease uses.
        self.life = _Life(self.job_id, interview_id)
        self.recorder = _Recorder()
        self.transport = _Transport()
        self._lease = JobLease(
            interview_id,
            job_id=self.job_id,
            room=room_of(interview_id),
            identity=f"interviewer-{self.job_id}",
            lease_s=settings.lease_s,
            scope=scope_of(settings),
        )

    async def take(self) -> int | None:
        """Take the lease; return its token, or None. Raises LoadFailed if another job has it."""
        await self._lease.take(self._database)
        return self._lease.token

    async def hold(self, *, turns_per_minute: float) -> None:
        """Keep the lease and ship turns, until another job has the lease."""
        shipper = JournalShipper(cast("Lifecycle", self.life), self._database)
        shipping = asyncio.create_task(shipper.run(), name="shipper")
        try:
            async with self._lease.guarded(cast("JobHandle", self), lambda: self._database):
                while not self.life.lease_lost.is_set():
                    await self._until_next_turn(turns_per_minute)
                    self.life.speak()
        finally:
            await cancel_and_wait(shipping)

    async def _until_next_turn(self, turns_per_minute: float) -> None:
        if turns_per_minute <= 0:
            await self.life.lease_lost.wait()
            return
        mean_s = 60 / turns_per_minute
        try:
            async with asyncio.timeout(random.uniform(0.5 * mean_s, 1.5 * mean_s)):  # noqa: S311
                await self.life.lease_lost.wait()
        except TimeoutError:
            return


class _Life:
    """The part of a `Lifecycle` that the lease and the shipper use: journal, time, conditions."""

    def __init__(self, job_id: str, interview_id: str) -> None:
        self._began = asyncio.get_running_loop().time()
        self.conditions: Mapping[str, Any] = {}
        self.lease_lost = asyncio.Event()
        self.journal = MemoryJournal()
        self.journal.append(
            "job",
            0.0,
            job_id=job_id,
            interview_id=interview_id,
            room=room_of(interview_id),
            worker_id="",
            pid=os.getpid(),
            budgets={},
        )
        running = {"from": "READY", "event": "session_started", "to": "RUNNING"}
        self.journal.append("transition", 0.0, **running, outcome=None, reason=None)

    @property
    def t(self) -> float:
        """Seconds since the job began."""
        return asyncio.get_running_loop().time() - self._began

    def post(self, event: Event, *_: object) -> None:
        """Accept an event; only the loss of the lease has an effect."""
        if event is Event.LEASE_LOST:
            self.lease_lost.set()

    def speak(self) -> None:
        """Write a turn into the journal, which the shipper stores."""
        if not self.lease_lost.is_set():
            self.journal.append(
                "turn", self.t, speaker="candidate", question_id="q1", text=_WORDS, latency={}
            )


class _Recorder:
    """Accepts the faults that a lease records."""

    def fault(self, where: str, error: BaseException) -> None: ...

    def refusal(self, where: str, reason: str) -> None: ...


class _Line:
    def silence(self) -> None: ...


class _Transport:
    """A room in which no other interviewer is."""

    def __init__(self) -> None:
        self.line = _Line()

    async def announce(self, attributes: Mapping[str, str]) -> None: ...

    def announced(self) -> Mapping[str, Mapping[str, str]]:
        return {}

    async def candidate_moved(self) -> None:
        await _for_ever()


async def _for_ever() -> None:
    await asyncio.Event().wait()


def room_of(interview_id: str) -> str:
    """Return the name of an interview's room, as `create_interview` chooses it."""
    return f"interview-{interview_id}"


def candidate_of(interview_id: str) -> str:
    """Return the identity of an interview's candidate, as `create_interview` chooses it."""
    return f"candidate-{interview_id}"
