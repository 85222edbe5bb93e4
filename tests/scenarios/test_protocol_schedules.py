"""A thousand random fault schedules on virtual time: one voice, one row per turn, a successor."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.virtual.memory_leases import JOIN_S, LEASE_S
from tests.support.virtual.protocol_world import ANSWERS_S, JOINS_S, WATCH_S, World
from tests.support.virtual.virtual_loop import VirtualLoop
from worker.aio.tasks import cancel_and_wait
from worker.continuity import job_lease
from worker.continuity.watcher import SPARE_S
from worker.journal import shipper
from worker.store.jobs import Shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.virtual.protocol_job import Job
    from tests.support.virtual.protocol_parts import Leases
    from worker.store.leases import Holder

SCHEDULES: Final = 1000
#: Number of schedules in one test: small, so that a failing one is found quickly.
AT_A_TIME: Final = 100
FAULTS: Final = 7
#: Seconds within which the faults strike.
STRIKES_S: Final = 25.0
LOOK_S: Final = 0.25
#: Seconds in which two interviewers may speak: until the room announces the newcomer.
TWO_VOICES_S: Final = 1.0
#: Seconds until an interviewer speaks after the last fault: the calm after an outage, a lease, the
#: leader lock of a dead watcher and a check; or the join deadline, for a lost dispatch.
BACK_S: Final = max(2 * LEASE_S, JOIN_S) + WATCH_S + SPARE_S + 2 * WATCH_S + JOINS_S[1] + 1.0
#: Seconds until the last turn is in the database.
SHIPPED_S: Final = 1.0


class Schedule:
    """The faults of one seed on one simulated world."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self.world = World(self.source)
        self.done: list[str] = []

    async def strike(self) -> None:
        """Trigger one random fault at a random time; it ends on its own."""
        await asyncio.sleep(self.source.uniform(0.0, STRIKES_S))
        lasts_s = self.source.choice((0.2, 2.0, 5.0, 8.0, 15.0))
        what = self.source.choice(
            (
                self.kill_job,
                self.stop_job,
                self.kill_worker,
                self.stop_worker,
                self.database_away,
                self.livekit_away,
                self.dispatch,
            )
        )
        self.done.append(f"{asyncio.get_running_loop().time():.1f} {what.__name__} {lasts_s}")
        await what(lasts_s)

    async def kill_job(self, _: float) -> None:
        jobs = [(worker, job) for worker in self.world.workers for job in worker.jobs]
        if jobs:
            worker, job = self.source.choice(jobs)
            await worker.kill_job(job)

    async def stop_job(self, lasts_s: float) -> None:
        if self.world.jobs:
            process = self.world.jobs[-1].process
            process.stop()
            await asyncio.sleep(lasts_s)
            process.go_on()

    async def kill_worker(self, lasts_s: float) -> None:
        number = self.source.randrange(len(self.world.workers))
        worker = self.world.workers[number]
        others = [each for each in self.world.workers if each is not worker]
        if not worker.process.dead and any(not each.process.dead for each in others):
            worker.process.go_on()
            await worker.kill()
            await asyncio.sleep(lasts_s)
            await self.world.replace(number)

    async def stop_worker(self, lasts_s: float) -> None:
        worker = self.source.choice(self.world.workers)
        processes = [worker.process, *(job.process for job, _ in worker.jobs.values())]
        for process in processes:
            process.stop()
        await asyncio.sleep(lasts_s)
        for process in processes:
            process.go_on()

    async def database_away(self, lasts_s: float) -> None:
        if not self.world.leases.away:
            self.world.leases.go(away=True)
            await asyncio.sleep(lasts_s)
            self.world.leases.go(away=False)

    async def livekit_away(self, lasts_s: float) -> None:
        if not self.world.livekit_away:
            self.world.livekit_away = True
            await asyncio.sleep(lasts_s)
            self.world.livekit_away = False

    async def dispatch(self, _: float) -> None:
        self.world.dispatch()

    # --- invariants ---------------------------------------------------------------------------

    async def watch(self) -> None:
        """Assert that two voices never overlap for longer than TWO_VOICES_S."""
        together_s, next_answer_s = 0.0, ANSWERS_S
        while True:
            await asyncio.sleep(LOOK_S)
            together_s = together_s + LOOK_S if len(self.world.speaking) > 1 else 0.0
            assert together_s <= TWO_VOICES_S, self.done
            if (next_answer_s := next_answer_s - LOOK_S) <= 0:
                next_answer_s = ANSWERS_S
                self.world.answer()

    async def run(self) -> None:
        """Run all faults, then a time without faults, then the checks."""
        world = self.world
        world.leases.renew([])
        world.dispatch()
        watching = asyncio.create_task(self.watch())
        try:
            async with asyncio.TaskGroup() as faults:
                for _ in range(FAULTS):
                    faults.create_task(self.strike())
            await asyncio.sleep(BACK_S)
            assert not watching.done(), watching.exception()
            assert len(world.speaking) == 1, self.done
            await cancel_and_wait(watching)
            await asyncio.sleep(SHIPPED_S)
        finally:
            await cancel_and_wait(watching)
            await world.aclose()
        self.check_turns()
        check_calm(world.leases)

    def check_turns(self) -> None:
        """Assert that every heard answer is in exactly one row."""
        rows = sorted(self.world.leases.stored.values())
        twice = {answer for answer in rows if rows.count(answer) > 1}
        assert twice == set(), self.done
        assert set(rows) == self.world.heard, self.done


def check_calm(leases: Leases) -> None:
    """Assert that no lease expired during a long outage of the database or one lease after it."""
    for at_s in leases.expiries:
        for gone_s, back_s in leases.outages:
            long = back_s - gone_s > LEASE_S / 2
            assert not (long and gone_s <= at_s < back_s + LEASE_S), (at_s, gone_s, back_s)


@pytest.fixture
def on_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace the database functions by the in-memory leases of the calling job's world."""

    async def take_lease(job: Job, *arguments: Any, **options: Any) -> int:
        return await job.world.leases.take_lease(job, *arguments, **options)

    async def keep_lease(job: Job, *arguments: Any, **options: Any) -> Holder | None:
        return await job.world.leases.keep_lease(job, *arguments, **options)

    async def ship(job: Job, *arguments: Any, **_: Any) -> Shipped:
        await job.world.leases.ship(job, *arguments)
        return Shipped(written=0, repeated=0, refused=())

    monkeypatch.setattr(job_lease, "take_lease", take_lease)
    monkeypatch.setattr(job_lease, "keep_lease", keep_lease)
    monkeypatch.setattr(shipper, "ship", ship)
    logging.disable(logging.WARNING)  # a thousand schedules log many warnings
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("on_memory")
@pytest.mark.parametrize("first", range(0, SCHEDULES, AT_A_TIME))
def test_in_every_schedule_one_interviewer_speaks_and_turns_are_stored_once(
    first: int,
) -> None:
    for seed in range(first, first + AT_A_TIME):
        try:
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                runner.run(run_schedule(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


async def run_schedule(seed: int) -> None:
    """Create the world in the running loop and run the schedule."""
    await Schedule(seed).run()
