"""Which seconds count for the time limit of an interview, on virtual time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import BUDGETS, Event, JournalError, Lifecycle, MemoryJournal, Reason, State
from states.testing import assert_entered, assert_outcome
from tests.support.virtual.job_parts import FakeStage, fake_context
from tests.support.virtual.lifecycle_steps import FullJournal, settled, take, way_to
from worker.interview import time_limit
from worker.interview.time_limit import InterviewTime
from worker.store.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from states.pytest_plugin import StartLifecycle
    from worker.job.handle import JobHandle
    from worker.store.database import Database

LIMIT_S = BUDGETS[State.RUNNING]


class Counted:
    """A job in RUNNING whose time is counted."""

    def __init__(self, life: Lifecycle) -> None:
        self.life = life
        self.transport = FakeStage(fake_context(), lambda _: None)
        self.faults: list[str] = []
        self.recorder = SimpleNamespace(fault=lambda where, _: self.faults.append(where))

    @property
    def job(self) -> JobHandle:
        return cast("JobHandle", self)

    @property
    def used_s(self) -> float:
        """The seconds of the limit that were used so far."""
        assert self.life.remaining is not None
        return round(LIMIT_S - self.life.remaining, 1)


async def counted(lifecycle: StartLifecycle, **arguments: Any) -> Counted:
    life = lifecycle(**arguments)
    await take(life, *way_to(State.RUNNING))
    return Counted(life)


def time_of(told_s: float = 0.0) -> InterviewTime:
    return InterviewTime("iv-1", job_id="AJ_2", told_s=told_s)


async def test_absences_of_the_candidate_do_not_count(lifecycle: StartLifecycle) -> None:
    held = await counted(lifecycle)
    async with time_of().counted(held.job):
        await asyncio.sleep(10)
        held.transport.move(here=False)
        await asyncio.sleep(25)
        held.transport.move(here=True)
        await asyncio.sleep(10)
        held.transport.move(here=False)
        await asyncio.sleep(25)
        assert held.used_s == 20.0


async def test_the_wait_for_a_candidate_who_has_not_joined_does_not_count(
    lifecycle: StartLifecycle,
) -> None:
    held = await counted(lifecycle)
    held.transport.move(here=False)
    async with time_of().counted(held.job):
        await asyncio.sleep(300)
        held.transport.move(here=True)
        await asyncio.sleep(7)
        assert held.used_s == 7.0


async def test_an_outage_in_which_output_is_paused_does_not_count(
    lifecycle: StartLifecycle,
) -> None:
    held = await counted(lifecycle)
    async with time_of().counted(held.job):
        await asyncio.sleep(10)
        held.transport.line.hold()
        await asyncio.sleep(30)
        held.transport.line.release()
        await asyncio.sleep(10)
        assert held.used_s == 20.0


async def test_a_candidate_who_leaves_in_an_outage_is_absent_after_it(
    lifecycle: StartLifecycle,
) -> None:
    held = await counted(lifecycle)
    async with time_of().counted(held.job):
        held.transport.line.hold()
        await asyncio.sleep(5)
        held.transport.move(here=False)
        held.transport.line.release()
        await asyncio.sleep(5)
        held.transport.move(here=True)
        await asyncio.sleep(5)
        assert held.used_s == 5.0


async def test_moves_of_others_change_nothing(lifecycle: StartLifecycle) -> None:
    journal = MemoryJournal()
    held = await counted(lifecycle, journal=journal)
    async with time_of().counted(held.job):
        for _ in range(3):
            held.transport.show("interviewer-AJ_1")
            await asyncio.sleep(1)
    assert not [record for record in journal.records if record["kind"] == "clock"]


async def test_the_limit_ends_the_interview_once_the_seconds_with_the_candidate_are_used(
    lifecycle: StartLifecycle,
) -> None:
    held = await counted(lifecycle)
    async with time_of().counted(held.job):
        await asyncio.sleep(100)
        held.transport.move(here=False)
        await asyncio.sleep(LIMIT_S)
        assert held.life.state is State.RUNNING
        held.transport.move(here=True)
        await asyncio.sleep(LIMIT_S)
    assert_outcome(held.life, "completed", Reason.TIME_LIMIT_REACHED)
    assert assert_entered(held.life, "CLOSING", since="RUNNING") == pytest.approx(2 * LIMIT_S)


async def test_seconds_of_earlier_jobs_count_after_a_handover(lifecycle: StartLifecycle) -> None:
    held = await counted(lifecycle)
    limit = time_of(told_s=LIMIT_S - 60)
    limit.carry_over(held.job)
    async with limit.counted(held.job):
        await asyncio.sleep(61)
    assert_outcome(held.life, "completed", Reason.TIME_LIMIT_REACHED)


async def test_a_clock_whose_record_was_refused_is_stopped_by_a_later_try(
    lifecycle: StartLifecycle,
) -> None:
    journal = FullJournal()
    held = await counted(lifecycle, journal=journal)
    async with time_of().counted(held.job):
        journal.full = True
        held.transport.move(here=False)
        await asyncio.sleep(3)
        journal.full = False
        await asyncio.sleep(100)
        assert 3 <= held.used_s <= 10


async def test_if_counting_fails_absences_count_and_the_limit_still_holds(
    lifecycle: StartLifecycle,
) -> None:
    held = await counted(lifecycle)
    async with time_of().counted(held.job):
        held.transport.move(here=False)
        await asyncio.sleep(1)
        held.transport.line = cast(Any, None)
        held.transport.move(here=True)
        await asyncio.sleep(LIMIT_S + 1)
    assert held.faults == ["time_limit"]
    assert_outcome(held.life, "completed", Reason.TIME_LIMIT_REACHED)


async def test_counting_ends_with_the_job(lifecycle: StartLifecycle) -> None:
    held = await counted(lifecycle)
    before = asyncio.all_tasks()
    async with time_of().counted(held.job):
        await held.life.fire(Event.CANDIDATE_LEFT)
        await held.life.fire(Event.CLOSED)
        held.transport.move(here=False)
        await settled()
    assert asyncio.all_tasks() <= before
    assert held.faults == []


# --- the seconds of earlier jobs -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("told_s", "stored_s", "counts_s"),
    [
        (0.0, 90.0, 90.0),
        (120.0, 90.0, 120.0),  # the last records of a lost machine are not stored
        (120.0, None, 120.0),  # the database is unavailable
        (0.0, None, 0.0),
    ],
)
async def test_the_larger_of_what_the_dispatch_and_the_database_tell_counts(
    lifecycle: StartLifecycle,
    monkeypatch: pytest.MonkeyPatch,
    told_s: float,
    stored_s: float | None,
    counts_s: float,
) -> None:
    async def talk_seconds(_: object, interview_id: str, *, besides: str, **__: object) -> float:
        assert (interview_id, besides) == ("iv-1", "AJ_2")
        if stored_s is None:
            raise DatabaseUnavailable("talk_seconds", OSError(), "postgresql://database")
        return stored_s

    monkeypatch.setattr(time_limit, "talk_seconds", talk_seconds)
    held = await counted(lifecycle)
    limit = time_of(told_s)
    await limit.read(cast("Database", None))
    limit.carry_over(held.job)
    assert held.used_s == counts_s


def test_a_job_that_has_ended_takes_no_seconds_over() -> None:
    def refuse(_: float) -> None:
        raise JournalError("closed")

    job = SimpleNamespace(life=SimpleNamespace(carry_over=refuse))
    time_of(5.0).carry_over(cast("JobHandle", job))
