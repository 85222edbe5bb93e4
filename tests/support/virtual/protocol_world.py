"""Workers, jobs and a candidate on virtual time, who keep to docs/continuity.md by the real code.

Real are the lifecycle, the job's lease, the watcher, the rescue and the shipper. The database, the
rooms and the processes are in memory: a process that is stopped or dead does nothing, a dead
interviewer stays visible for `GHOST_S`, and everything may be away for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

from livekit.agents.utils import aio

from states import Event, MemoryJournal, State
from tests.support.virtual.memory_leases import CANDIDATE
from tests.support.virtual.protocol_job import Job
from tests.support.virtual.protocol_parts import Leases, Process, now_s
from worker.continuity.rescue import Rescue
from worker.continuity.watcher import Watcher
from worker.livekit_api import LiveKitUnreachable
from worker.store.errors import DatabaseError, DatabaseUnavailable
from worker.store.leases import LeaseHeld
from worker.store.stranded import Stranded

WATCH_S: Final = 0.5
RENEW_S: Final = 0.5
GHOST_S: Final = 20.0
#: Seconds that a candidate may be away; this one never is.
GRACE_S: Final = 30.0
#: Seconds from a dispatch to the job (facts of a busy machine), shortest and longest.
JOINS_S: Final = (0.1, 1.0)
#: Seconds between two answers of the candidate.
ANSWERS_S: Final = 1.7
_RETRY_S: Final = 1.0


class Worker:
    """One main process: renews its jobs' leases, watches, and looks after its dead jobs."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.process = Process()
        self.jobs: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._rescue = Rescue(_Rooms(self), grace_s=GRACE_S)
        self._tasks = [
            asyncio.create_task(self._renew(), name=f"renew {name}"),
            asyncio.create_task(
                Watcher(on_duty=self._on_duty, look=self._look, every_s=WATCH_S).run(),
                name=f"watch {name}",
            ),
        ]
        #: Jobs that are gone, until what they left is shipped.
        self._unburied: dict[asyncio.Task[None], Job] = {}

    def take(self, job: Job) -> None:
        """A dispatch was given to this worker."""
        self.jobs[job.job_id] = job, asyncio.create_task(job.live(), name=job.job_id)
        self._tasks.append(asyncio.create_task(self._take_lease(job.job_id), name="take-lease"))

    async def _take_lease(self, job_id: str) -> None:
        with contextlib.suppress(LeaseHeld, DatabaseUnavailable):
            await self.process.turn()
            await self.world.leases.take_lease(None, "iv-1", job_id=job_id)

    async def kill_job(self, job_id: str) -> None:
        """SIGKILL to a job's process: this worker knows at once."""
        job, life = self.jobs.pop(job_id)
        job.process.dead = True
        await aio.cancel_and_wait(life)
        self.world.becomes_ghost(job)
        self.bury(job)

    async def kill(self) -> None:
        """SIGKILL to the main process, and so to its jobs."""
        self.process.dead = True
        await aio.cancel_and_wait(*self._tasks, *self._unburied)
        self.world.unburied += self._unburied.values()
        for job, life in self.jobs.values():
            job.process.dead = True
            await aio.cancel_and_wait(life)
            self.world.becomes_ghost(job)
            self.world.unburied.append(job)
        self.jobs.clear()

    async def aclose(self) -> None:
        """The end of the schedule."""
        lives = [life for _, life in self.jobs.values()]
        await aio.cancel_and_wait(*self._tasks, *self._unburied, *lives)

    async def ended(self, job: Job) -> None:
        """A job came to its own end: its journal is shipped, by itself or by its worker."""
        failed = job.life.reason is not None and job.life.reason.value == "RoomLost"
        self.bury(job, failed=failed)

    def bury(self, job: Job, *, failed: bool = True) -> None:
        """Ship what is left of a job, then send somebody after it."""
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
        """Whether the system says of a job's process that it is stopped."""
        return self.jobs[job_id][0].process.stopped

    async def _on_duty(self, for_s: float) -> bool:
        await self.process.turn()
        return self.world.hold_duty(self.name, for_s)

    async def _look(self, anew: bool) -> None:
        await self._rescue.look(_Ledger(self), anew=anew)


class _Ledger:
    """The leases, as a process sees them that may be stopped between any two calls."""

    def __init__(self, worker: Worker) -> None:
        self._process, self._leases = worker.process, worker.world.leases

    async def stranded(self, *, job_id: str | None, room: str | None) -> list[Stranded]:
        await self._process.turn()
        return await self._leases.stranded(job_id=job_id, room=room)

    async def claim(self, found: Stranded) -> int | None:
        await self._process.turn()
        return await self._leases.claim(found)

    async def give_back(self, found: Stranded, token: int) -> None:
        await self._process.turn()
        await self._leases.give_back(found, token)

    async def give_up(self, found: Stranded) -> None:
        raise AssertionError("the candidate is in the room")

    async def turns(self, interview_id: str) -> list[dict[str, Any]]:
        await self._process.turn()
        return []

    async def note(self, interview_id: str, token: int, dispatch_id: str) -> None:
        await self._process.turn()
        await self._leases.note(interview_id, token, dispatch_id)


class _Rooms:
    """The room, as such a process sees it."""

    def __init__(self, worker: Worker) -> None:
        self._process, self._world = worker.process, worker.world

    async def _ask(self) -> None:
        await asyncio.sleep(0.01)
        await self._process.turn()
        if self._world.livekit_away:
            raise LiveKitUnreachable("ws://livekit", reason="timed out", budget_s=1)

    async def people(self, _: str) -> set[str]:
        await self._ask()
        return {CANDIDATE, *self._world.shown}

    async def remove(self, _: str, identity: str) -> None:
        await self._ask()
        self._world.remove(identity)

    async def send(self, *_: object, **__: object) -> str:
        await self._ask()
        return self._world.dispatch()


class World:
    """One interview, its room, and those who hold it."""

    def __init__(self, source: random.Random, workers: int = 3) -> None:
        self.source = source
        self.leases = Leases()
        self.livekit_away = False
        #: Whoever is in the room beside the candidate, and what they show.
        self.shown: dict[str, Mapping[str, str]] = {}
        self.jobs: list[Job] = []
        #: Their worker died with them: the next one on that machine ships what they left.
        self.unburied: list[Job] = []
        self._duty = "", 0.0
        self._answers = 0
        #: Answers that somebody heard.
        self.heard: set[int] = set()
        self._later: set[asyncio.Task[None]] = set()
        self.workers = [Worker(self, f"worker-{number}") for number in range(workers)]

    # --- the room -----------------------------------------------------------------------------

    def dispatch(self) -> str:
        """Give the interview to one of the workers that LiveKit believes to be there."""
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
        """An interviewer shows something to the room."""
        if job.in_room:
            self.shown[job.identity] = attributes
            self._tell()

    def leave(self, job: Job) -> None:
        """An interviewer goes."""
        job.in_room = False
        self.shown.pop(job.identity, None)
        self._tell()

    def becomes_ghost(self, job: Job) -> None:
        """A dead interviewer's participant stays for a while."""
        self._soon(self._vanish(job))

    async def _vanish(self, job: Job) -> None:
        await asyncio.sleep(GHOST_S)
        self.leave(job)

    def remove(self, identity: str) -> None:
        """Send an interviewer out; one that lives learns of it when it may do something."""
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

    # --- the database's duties ------------------------------------------------------------------

    def hold_duty(self, name: str, for_s: float) -> bool:
        """As `store.stranded.hold_duty`."""
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
        """The candidate says something; whoever speaks with it takes it down."""
        self._answers += 1
        for job in self.speaking:
            job.hear(self._answers)
            self.heard.add(self._answers)

    # --- the machines -------------------------------------------------------------------------

    async def replace(self, number: int) -> None:
        """Another worker is started where one died; it ships what the dead one left."""
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
        """End everything."""
        for worker in self.workers:
            await worker.aclose()
        await aio.cancel_and_wait(*self._later)
