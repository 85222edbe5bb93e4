"""Simulation of docs/explanation/continuity.md on virtual time: workers, jobs and a candidate.

The lifecycle, the job's lease, the watcher, the rescue and the shipper are the real code. The
database, the rooms and the processes are in memory. A stopped or dead process does nothing, a dead
interviewer stays visible for `GHOST_S`, and the database and LiveKit may be unavailable for a
while.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final, cast

from states import Event, MemoryJournal, Reason, State
from tests.support.virtual.memory_leases import CANDIDATE
from tests.support.virtual.protocol_job import Job
from tests.support.virtual.protocol_parts import Leases, Process, now_s
from worker.aio.tasks import cancel_and_wait
from worker.continuity.redispatch import Redispatcher
from worker.continuity.watcher import Watcher
from worker.livekit_api.errors import LiveKitUnreachable
from worker.store.errors import DatabaseError, DatabaseUnavailable
from worker.store.leases import LeaseHeld
from worker.store.orphans import Look, OrphanedInterview

WATCH_S: Final = 0.5
RENEW_S: Final = 0.5
GHOST_S: Final = 20.0
#: Seconds that a candidate may be absent; this candidate never is.
GRACE_S: Final = 30.0
#: Shortest and longest time, in seconds, from a dispatch to the job (values of a busy machine).
JOINS_S: Final = (0.1, 1.0)
#: Seconds between two answers of the candidate.
ANSWERS_S: Final = 1.7
_RETRY_S: Final = 1.0


class Worker:
    """Main process of a worker: renews leases, finds orphaned interviews, handles dead jobs."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.process = Process()
        self.jobs: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._rescue = Redispatcher(_Rooms(self), identity="interviewer-{}".format, grace_s=GRACE_S)
        self._tasks = [
            asyncio.create_task(self._renew(), name=f"renew {name}"),
            asyncio.create_task(
                Watcher(
                    may_lead=lambda: True,
                    on_duty=self._on_duty,
                    look=self._look,
                    sweep=_nothing,
                    every_s=WATCH_S,
                ).run(),
                name=f"watch {name}",
            ),
        ]
        #: Ended jobs whose journals are not ingested yet, by the task that ingests them.
        self._unburied: dict[asyncio.Task[None], Job] = {}

    def take(self, job: Job) -> None:
        """Start a job that was dispatched to this worker."""
        self.jobs[job.job_id] = job, asyncio.create_task(job.live(), name=job.job_id)
        self._tasks.append(asyncio.create_task(self._take_lease(job.job_id), name="take-lease"))

    async def _take_lease(self, job_id: str) -> None:
        with contextlib.suppress(LeaseHeld, DatabaseUnavailable):
            await self.process.turn()
            await self.world.leases.take_lease(None, "iv-1", job_id=job_id)

    async def kill_job(self, job_id: str) -> None:
        """Simulate SIGKILL to a job's process; this worker notices at once."""
        job, life = self.jobs.pop(job_id)
        job.process.dead = True
        await cancel_and_wait(life)
        self.world.becomes_ghost(job)
        self.bury(job)

    async def kill(self) -> None:
        """Simulate SIGKILL to the main process, which also kills its jobs."""
        self.process.dead = True
        await cancel_and_wait(*self._tasks, *self._unburied)
        self.world.unburied += self._unburied.values()
        for job, life in self.jobs.values():
            job.process.dead = True
            await cancel_and_wait(life)
            self.world.becomes_ghost(job)
            self.world.unburied.append(job)
        self.jobs.clear()

    async def aclose(self) -> None:
        """Cancel all jobs and tasks at the end of the schedule."""
        lives = [life for _, life in self.jobs.values()]
        await cancel_and_wait(*self._tasks, *self._unburied, *lives)

    async def ended(self, job: Job) -> None:
        """Ingest the journal of a job that has ended itself; job and worker both do this."""
        failed = job.life.reason is Reason.ROOM_LOST
        self.bury(job, failed=failed)

    def bury(self, job: Job, *, failed: bool = True) -> None:
        """Ingest the rest of a job's journal; if the job failed, redispatch its interview."""
        task = asyncio.create_task(self._bury(job, failed=failed), name=f"bury {job.job_id}")
        self._unburied[task] = job
        task.add_done_callback(lambda done: done.cancelled() or self._unburied.pop(done))

    async def _bury(self, job: Job, *, failed: bool) -> None:
        header = SimpleNamespace(job_id=job.job_id)
        journal = cast(MemoryJournal, job.life.journal)
        while True:
            await self.process.turn()
            try:
                await self.world.leases.ship(None, header, journal.records)
                self.world.leases.end(job.job_id, failed=failed)
                if failed:
                    await self._rescue.look_at(_Ledger(self), job_id=job.job_id)
                return
            except DatabaseError:
                await asyncio.sleep(_RETRY_S)

    async def _renew(self) -> None:
        while True:
            await self.process.turn()
            with contextlib.suppress(DatabaseUnavailable):
                self.world.leases.renew([each for each in self.jobs if not self.stopped(each)])
            await asyncio.sleep(RENEW_S)

    def stopped(self, job_id: str) -> bool:
        """Return whether a job's process is stopped."""
        return self.jobs[job_id][0].process.stopped

    async def _on_duty(self, for_s: float) -> bool:
        await self.process.turn()
        return self.world.hold_duty(self.name, for_s)

    async def _look(self) -> None:
        await self._rescue.look(_Ledger(self))


async def _nothing() -> None:
    """Do nothing, in place of the leader's sweep."""


class _Ledger:
    """The leases, used by a process that may be stopped before any call."""

    def __init__(self, worker: Worker) -> None:
        self._process, self._leases = worker.process, worker.world.leases

    async def orphaned(self, *, job_id: str | None, room: str | None) -> list[OrphanedInterview]:
        await self._process.turn()
        return await self._leases.orphaned(job_id=job_id, room=room)

    async def claim(self, found: Sequence[OrphanedInterview]) -> Mapping[str, int]:
        await self._process.turn()
        return await self._leases.claim(found)

    async def record(self, looks: Sequence[Look]) -> Mapping[str, float]:
        await self._process.turn()
        return await self._leases.record(looks)

    async def give_back(self, claims: Sequence[tuple[OrphanedInterview, int]]) -> None:
        await self._process.turn()
        await self._leases.give_back(claims)

    async def give_up(self, found: Sequence[OrphanedInterview]) -> None:
        raise AssertionError("the candidate is in the room")

    async def turns(self, interview_ids: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
        await self._process.turn()
        return {}

    async def spent_s(self, interview_ids: Sequence[str]) -> Mapping[str, float]:
        return {}

    async def note(self, sent: Mapping[str, tuple[int, str]]) -> None:
        await self._process.turn()
        await self._leases.note(sent)


class _Rooms:
    """The room, used by a process that may be stopped before any call."""

    def __init__(self, worker: Worker) -> None:
        self._process, self._world = worker.process, worker.world

    async def _ask(self) -> None:
        await asyncio.sleep(0.01)
        await self._process.turn()
        if self._world.livekit_away:
            raise LiveKitUnreachable("ws://livekit", reason="timed out", budget_s=1)

    async def counts(self, rooms: Collection[str]) -> Mapping[str, int]:
        await self._ask()
        return dict.fromkeys(rooms, 1)

    async def people(self, rooms: Collection[str]) -> Mapping[str, Collection[str]]:
        await self._ask()
        return {room: {CANDIDATE, *self._world.shown} for room in rooms}

    async def remove(self, _: str, identity: str) -> None:
        await self._ask()
        self._world.remove(identity)

    async def send(self, *_: object, **__: object) -> str:
        await self._ask()
        return self._world.dispatch()


class World:
    """One interview, its room, and its workers and jobs."""

    def __init__(self, source: random.Random, workers: int = 3) -> None:
        self.source = source
        self.leases = Leases()
        self.livekit_away = False
        #: Attributes of the interviewers in the room, by identity.
        self.shown: dict[str, Mapping[str, str]] = {}
        self.jobs: list[Job] = []
        #: Jobs that died with their worker. The next worker on that machine ingests their journals.
        self.unburied: list[Job] = []
        self._duty = "", 0.0
        self._answers = 0
        #: Answers that an interviewer heard.
        self.heard: set[int] = set()
        self._later: set[asyncio.Task[None]] = set()
        self.workers = [Worker(self, f"worker-{number}") for number in range(workers)]

    # --- the room -----------------------------------------------------------------------------

    def dispatch(self) -> str:
        """Give the interview to a worker that LiveKit believes to be alive."""
        there = [worker for worker in self.workers if not worker.process.dead]
        self._soon(self._hand_over(self.source.choice(there)))
        return f"AD_{len(self.jobs)}"

    async def _hand_over(self, worker: Worker) -> None:
        await asyncio.sleep(self.source.uniform(*JOINS_S))
        await worker.process.turn()
        if not worker.process.dead:
            job = Job(self, worker, len(self.jobs) + 1)
            self.jobs.append(job)
            self.shown[job.identity] = {}
            worker.take(job)

    def show(self, job: Job, attributes: Mapping[str, str]) -> None:
        """Publish an interviewer's attributes to the room."""
        if job.in_room:
            self.shown[job.identity] = attributes
            self._tell()

    def leave(self, job: Job) -> None:
        """Remove an interviewer from the room."""
        job.in_room = False
        self.shown.pop(job.identity, None)
        self._tell()

    def becomes_ghost(self, job: Job) -> None:
        """Keep a dead interviewer's participant in the room for `GHOST_S`."""
        self._soon(self._vanish(job))

    async def _vanish(self, job: Job) -> None:
        await asyncio.sleep(GHOST_S)
        self.leave(job)

    def remove(self, identity: str) -> None:
        """Remove an interviewer by identity; a living one notices once its process can run."""
        for job in self.jobs:
            if job.identity == identity and job.in_room:
                self.leave(job)
                self._soon(self._learn_of_it(job))

    async def _learn_of_it(self, job: Job) -> None:
        await job.process.turn()
        if not job.process.dead and job.life.state not in (State.CLOSING, State.CLOSED):
            job.life.post(Event.ROOM_LOST)

    def _tell(self) -> None:
        for job in self.jobs:
            job.moved()

    # --- the leader lock ------------------------------------------------------------------------

    def hold_duty(self, name: str, for_s: float) -> bool:
        """Take or keep the leader lock, as `store.leader_lock.hold_leader_lock` does."""
        if self.leases.away:
            raise DatabaseUnavailable("hold_duty", OSError(), "postgresql://database")
        holder, until = self._duty
        if holder != name and until > now_s():
            return False
        self._duty = name, now_s() + for_s
        return True

    # --- the candidate ------------------------------------------------------------------------

    @property
    def speaking(self) -> list[Job]:
        """The interviewers that the candidate hears."""
        return [job for job in self.jobs if job.speaks]

    def answer(self) -> None:
        """Let the candidate answer; every interviewer that hears the answer commits it."""
        self._answers += 1
        for job in self.speaking:
            job.hear(self._answers)
            self.heard.add(self._answers)

    # --- the machines -------------------------------------------------------------------------

    async def replace(self, number: int) -> None:
        """Start a worker in place of a dead one; it ingests the dead worker's journals."""
        worker = Worker(self, f"{self.workers[number].name}+")
        self.workers[number] = worker
        dead, self.unburied = self.unburied, []
        for job in dead:
            worker.bury(job)

    def _soon(self, what: Any) -> None:
        task = asyncio.create_task(what)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def aclose(self) -> None:
        """End all workers and pending tasks."""
        for worker in self.workers:
            await worker.aclose()
        await cancel_and_wait(*self._later)
