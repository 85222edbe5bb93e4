"""The clock of a pausable budget, and the seconds that earlier jobs have used of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from states import BUDGETS, EDGES, Event, JournalError, MemoryJournal, Outcome, Reason, State
from states.phases import Clock
from states.table import CLOCK_EVENTS, PAUSABLE
from states.testing import assert_entered, assert_outcome, history_of
from tests.support.virtual.lifecycle_steps import FullJournal, settled, take, way_to

if TYPE_CHECKING:
    from states import Lifecycle
    from states.pytest_plugin import StartLifecycle

LIMIT_S = BUDGETS[State.RUNNING]


async def running(lifecycle: StartLifecycle, **arguments: object) -> Lifecycle:
    job = lifecycle(**arguments)
    await take(job, *way_to(State.RUNNING))
    return job


def test_only_the_budget_of_the_session_is_pausable() -> None:
    assert PAUSABLE == (State.RUNNING,)


def test_the_clock_events_change_the_clock_only_where_the_budget_is_pausable() -> None:
    changing = {(edge.source, edge.event, edge.clock) for edge in EDGES if edge.clock is not None}
    assert changing == {
        (state, event, clock) for state in PAUSABLE for event, clock in CLOCK_EVENTS.items()
    }
    assert set(CLOCK_EVENTS.values()) == set(Clock)
    assert all(edge.target is None for edge in EDGES if edge.clock is not None)


async def test_time_does_not_count_while_the_clock_is_stopped(lifecycle: StartLifecycle) -> None:
    job = await running(lifecycle)
    await asyncio.sleep(1000.0)
    await job.fire(Event.CLOCK_STOPPED)
    await asyncio.sleep(10 * LIMIT_S)
    assert job.state is State.RUNNING
    assert job.remaining == pytest.approx(LIMIT_S - 1000.0)

    await job.fire(Event.CLOCK_RESUMED)
    await asyncio.sleep(LIMIT_S - 1000.0)
    await settled()
    assert_outcome(job, Outcome.COMPLETED, Reason.TIME_LIMIT_REACHED)
    assert assert_entered(job, "CLOSING", since="RUNNING") == pytest.approx(11 * LIMIT_S)


async def test_absences_of_one_interview_add_up(lifecycle: StartLifecycle) -> None:
    job = await running(lifecycle)
    for _ in range(10):
        await asyncio.sleep(60.0)
        await job.fire(Event.CLOCK_STOPPED)
        await asyncio.sleep(25.0)
        await job.fire(Event.CLOCK_RESUMED)
    assert job.remaining == pytest.approx(LIMIT_S - 600.0)


async def test_a_job_whose_clock_is_stopped_ends_on_every_other_event(
    lifecycle: StartLifecycle,
) -> None:
    job = await running(lifecycle)
    await job.fire(Event.CLOCK_STOPPED)
    await job.fire(Event.CANDIDATE_LEFT)
    assert job.remaining == pytest.approx(BUDGETS[State.CLOSING])
    await asyncio.sleep(BUDGETS[State.CLOSING])
    await settled()
    assert job.state is State.CLOSED


async def test_a_late_clock_event_in_closing_is_recorded_and_stops_no_time(
    lifecycle: StartLifecycle,
) -> None:
    job = await running(lifecycle)
    await job.fire(Event.INTERVIEW_COMPLETED)
    await job.fire(Event.CLOCK_STOPPED)
    await asyncio.sleep(BUDGETS[State.CLOSING])
    await settled()
    assert job.state is State.CLOSED


async def test_seconds_of_earlier_jobs_are_a_part_of_the_budget(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    await take(job, *way_to(State.READY))
    before_s = job.remaining
    job.carry_over(LIMIT_S - 60.0)
    assert job.remaining == before_s, "the budget of another state"
    await job.fire(Event.SESSION_STARTED)
    assert job.remaining == pytest.approx(60.0)
    await asyncio.sleep(60.0)
    await settled()
    assert_outcome(job, Outcome.COMPLETED, Reason.TIME_LIMIT_REACHED)


@pytest.mark.parametrize("stopped", [False, True])
async def test_of_several_tellings_the_largest_counts(
    lifecycle: StartLifecycle, stopped: bool
) -> None:
    """A database that loads late may know more than the dispatch told."""
    job = await running(lifecycle)
    if stopped:
        await job.fire(Event.CLOCK_STOPPED)
    for seconds in (100.0, 700.0, 300.0, 700.0, 0.0, -5.0, float("nan")):
        job.carry_over(seconds)
    assert job.remaining == pytest.approx(LIMIT_S - 700.0)


async def test_a_budget_that_earlier_jobs_have_used_up_ends_the_session_at_once(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    await take(job, *way_to(State.READY))
    job.carry_over(2 * LIMIT_S)
    await job.fire(Event.SESSION_STARTED)
    await asyncio.sleep(0.001)
    await settled()
    assert_outcome(job, Outcome.COMPLETED, Reason.TIME_LIMIT_REACHED)


async def test_seconds_that_cannot_be_recorded_do_not_count(lifecycle: StartLifecycle) -> None:
    journal = FullJournal()
    job = await running(lifecycle, journal=journal)
    journal.full = True
    with pytest.raises(JournalError):
        job.carry_over(100.0)
    with pytest.raises(JournalError):
        await job.fire(Event.CLOCK_STOPPED)
    await asyncio.sleep(1.0)
    assert job.remaining == pytest.approx(LIMIT_S - 1.0)


async def test_what_the_clock_did_is_in_the_journal_under_a_kind_that_older_readers_ignore(
    lifecycle: StartLifecycle,
) -> None:
    journal = MemoryJournal()
    job = await running(lifecycle, journal=journal)
    job.carry_over(12.3456)
    await job.fire(Event.CLOCK_STOPPED)
    await job.fire(Event.CLOCK_RESUMED)

    kept = [record for record in journal.records if record["kind"] == "clock"]
    assert [(r["state"], r.get("event"), r.get("earlier_s")) for r in kept] == [
        ("RUNNING", None, 12.346),
        ("RUNNING", "clock_stopped", None),
        ("RUNNING", "clock_resumed", None),
    ]
    internals = history_of(job).internals
    assert [x.event for x in internals][-2:] == [Event.CLOCK_STOPPED, Event.CLOCK_RESUMED]
