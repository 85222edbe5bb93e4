from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from lifecycle_steps import take, way_to

from states import (
    BUDGETS,
    EDGES,
    Condition,
    Conditions,
    Event,
    FileJournal,
    IllegalTransition,
    JournalError,
    Lifecycle,
    MemoryJournal,
    Outcome,
    Reason,
    State,
    Transition,
)
from states.machine import LifecycleStopped
from states.table import HURRIED_CLOSING_S
from states.testing import (
    assert_entered,
    assert_outcome,
    assert_path,
    history_of,
    loaded,
    lost,
    on,
    one_of,
    run_virtual,
)

if TYPE_CHECKING:
    from pathlib import Path

    from states.pytest_plugin import Journey, StartLifecycle

TIMED_STATES = [state for state in State if state is not State.CLOSED]


class FullJournal(MemoryJournal):
    """Writes until it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    def append(self, kind: str, t: float, **fields: Any) -> dict[str, Any]:
        if self.full:
            raise JournalError("no space left on device")
        return super().append(kind, t, **fields)


def as_they_stand(job: Lifecycle) -> tuple[object, ...]:
    """All that an event could have changed."""
    return (job.state, tuple(job.transitions), job.conditions, job.outcome, job.reason)


async def settled() -> None:
    """Let whoever is ready run, without a step of the clock."""
    for _ in range(5):
        await asyncio.sleep(0)


# --- budgets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", TIMED_STATES)
async def test_a_state_ends_at_its_budget_and_not_before(
    lifecycle: StartLifecycle, state: State
) -> None:
    job = lifecycle()
    await take(job, *way_to(state))
    edge = next(edge for edge in EDGES if edge.source is state and edge.is_timeout)

    await asyncio.sleep(BUDGETS[state] - 0.001)
    assert job.state is state
    await asyncio.sleep(0.001)
    await settled()

    assert job.state is edge.target
    assert job.transitions[-1].event is Event.BUDGET_SPENT
    assert job.transitions[-1].t == BUDGETS[state]
    if edge.outcome is not None:
        assert_outcome(job, edge.outcome, edge.reason)


async def test_a_budget_can_be_replaced_and_the_others_stay(lifecycle: StartLifecycle) -> None:
    job = lifecycle(budgets={State.HANDSHAKE: 0.3})
    assert job.remaining == pytest.approx(0.3)
    await job.fire(Event.ROOM_CONNECTED)
    assert job.remaining == pytest.approx(BUDGETS[State.CONNECTED])


@pytest.mark.parametrize("event_is_first", [True, False], ids=["event first", "budget first"])
async def test_an_event_at_the_very_instant_its_budget_ends_meets_the_job_whole(
    lifecycle: StartLifecycle, event_is_first: bool
) -> None:
    """Whoever stands first in the mailbox decides, and the other one does no harm.

    `transitions`' own AsyncTimeout raises here, and leaves the job half-way.
    """
    loop = asyncio.get_running_loop()
    job = lifecycle(journal=(journal := MemoryJournal()))
    slow_listener: list[Transition] = []

    async def listen(transition: Transition) -> None:
        await asyncio.sleep(0.01)
        slow_listener.append(transition)

    job.subscribe(listen)
    deadline = loop.time() + BUDGETS[State.HANDSHAKE]
    # Timers due at one instant run in the order of their times; half a tick of the loop's
    # clock (looptime's resolution is 1 us) sets the order and not the instant.
    tick = -4e-7 if event_is_first else 4e-7
    loop.call_at(deadline + tick, job.post, Event.ROOM_CONNECTED)
    await asyncio.sleep(BUDGETS[State.HANDSHAKE] + 1.0)

    if event_is_first:
        assert_path(job, "HANDSHAKE", on("room_connected", "CONNECTED"))
        assert job.remaining == pytest.approx(BUDGETS[State.CONNECTED] - 1.0)
    else:
        assert_path(job, "HANDSHAKE", on("budget_spent", "CLOSING"))
        assert_outcome(job, Outcome.FAILED, Reason.HANDSHAKE_TIMEOUT)
        assert history_of(job).internals[0].event is Event.ROOM_CONNECTED
    assert job.transitions[1].t == BUDGETS[State.HANDSHAKE]
    assert slow_listener == job.transitions[1:]
    assert not [record for record in journal.records if record["kind"] == "fault"]


async def test_the_budget_of_an_earlier_visit_is_dropped(lifecycle: StartLifecycle) -> None:
    """It is in the mailbox already, behind an event that ends the visit it was set for."""
    job = lifecycle(budgets={State.HANDSHAKE: 1.0})
    release = asyncio.Event()

    async def hold_the_owner(transition: Transition) -> None:
        await release.wait()

    job.subscribe(hold_the_owner)
    await job.fire(Event.LOADER_REPORTED, loaded("vad"))
    job.post(Event.ROOM_CONNECTED)
    await asyncio.sleep(1.5)  # the handshake's budget ends while the owner is held
    release.set()
    await settled()

    assert_path(job, "HANDSHAKE", "CONNECTED")
    assert job.remaining == pytest.approx(BUDGETS[State.CONNECTED])


async def test_ready_and_degraded_take_turns_without_new_time(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    await take(job, *way_to(State.READY))
    for second in range(1, 10):
        await asyncio.sleep(1.0)
        if second % 2:
            await job.fire(Event.RESOURCE_LOST, lost("vad"))
        else:
            await job.fire(Event.RESOURCE_RECOVERED, loaded("vad"))
        assert job.remaining == pytest.approx(BUDGETS[State.READY] - second)
    await asyncio.sleep(1.0)
    await settled()

    assert_path(job, ..., "READY", *["DEGRADED", "READY"] * 4, "DEGRADED", "CLOSING")
    assert_outcome(job, Outcome.FAILED, Reason.SESSION_START_TIMEOUT)
    assert_entered(job, "CLOSING", within_s=BUDGETS[State.READY], since="READY")


async def test_what_changes_no_state_leaves_the_clock_alone(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    await take(job, *way_to(State.RUNNING))
    await asyncio.sleep(600.0)
    await job.fire(Event.RESOURCE_LOST, lost("tts"))
    await asyncio.sleep(600.0)
    await job.fire(Event.RESOURCE_RECOVERED, loaded("tts"))

    assert job.state is State.RUNNING
    assert job.remaining == pytest.approx(BUDGETS[State.RUNNING] - 1200.0)


async def test_a_resource_that_stays_lost_keeps_the_time_it_was_lost_at(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    await take(job, *way_to(State.RUNNING))
    await asyncio.sleep(5.0)
    await job.fire(Event.RESOURCE_LOST, lost("tts", "Refused"))
    await asyncio.sleep(5.0)
    await job.fire(Event.RESOURCE_LOST, lost("tts", "Silent"))
    assert (job.conditions["tts"].reason, job.conditions["tts"].since) == ("Silent", 5.0)


# --- closing -----------------------------------------------------------------------------------


def test_closing_ends_sooner_once_the_worker_is_going_away(journey: Journey) -> None:
    history = journey((1.0, Event.ROOM_LOST), (2.0, Event.SHUTDOWN_REQUESTED), until_s=60.0)
    assert_outcome(history, Outcome.FAILED, Reason.ROOM_LOST)
    assert assert_entered(history, "CLOSED", since="CLOSING") == 1.0 + HURRIED_CLOSING_S


def test_asking_again_never_gives_closing_more_time(journey: Journey) -> None:
    asked = [(float(second), Event.SHUTDOWN_REQUESTED) for second in range(1, 5)]
    history = journey(*asked, until_s=60.0)
    assert assert_entered(history, "CLOSED") == 1.0 + HURRIED_CLOSING_S


def test_a_late_hurry_does_not_lengthen_what_is_left_of_closing(journey: Journey) -> None:
    budget = BUDGETS[State.CLOSING]
    history = journey(
        (0.0, Event.ROOM_LOST), (budget - 1.0, Event.SHUTDOWN_REQUESTED), until_s=60.0
    )
    assert assert_entered(history, "CLOSED") == budget


async def test_what_comes_while_closing_is_recorded_and_keeps_the_outcome(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    await take(job, *way_to(State.RUNNING))
    await job.fire(Event.INTERVIEW_COMPLETED)
    for event in (Event.CANDIDATE_LEFT, Event.ROOM_LOST, Event.LEASE_LOST):
        assert (await job.fire(event)).internal
    closed = await job.fire(Event.CLOSED)

    assert (closed.outcome, closed.reason) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert_outcome(job, "completed", "InterviewCompleted")
    assert len(history_of(job).internals) >= 3


# --- callers -----------------------------------------------------------------------------------


async def test_a_cancelled_caller_loses_nothing(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    caller = asyncio.create_task(job.fire(Event.ROOM_CONNECTED))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await job.reached(State.CONNECTED)
    assert (await job.fire(Event.BOOTSTRAP_STARTED)).target is State.BOOTSTRAPPING


async def test_events_are_taken_in_the_order_in_which_they_came(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    async with asyncio.TaskGroup() as group:
        for step in way_to(State.RUNNING):
            group.create_task(job.fire(*step))
    assert_path(
        job, "HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", one_of("READY", "DEGRADED"), "RUNNING"
    )


async def test_a_refused_event_says_what_would_have_been_allowed(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    with pytest.raises(IllegalTransition, match="session_started is not allowed in HANDSHAKE") as e:
        await job.fire(Event.SESSION_STARTED)
    assert Event.ROOM_CONNECTED in e.value.allowed
    assert Event.SESSION_STARTED not in e.value.allowed


async def test_a_refused_post_is_recorded_and_stops_nothing(
    lifecycle: StartLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    job = lifecycle()
    job.post(Event.SESSION_STARTED)
    await job.fire(Event.ROOM_CONNECTED)
    assert history_of(job).faults[0]["where"] == "event session_started"
    assert history_of(job).faults[0]["error"] == "IllegalTransition"
    assert "session_started was refused" in caplog.text


async def test_waiting_for_a_state_that_was_passed_returns_at_once(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    await take(job, *way_to(State.CLOSED))
    assert await job.reached(State.RUNNING, State.HANDSHAKE) is State.HANDSHAKE


# --- listeners ---------------------------------------------------------------------------------


async def test_a_listener_that_raises_is_recorded_and_stops_neither_job_nor_listeners(
    lifecycle: StartLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    job = lifecycle()
    heard: list[Event | None] = []

    def broken(transition: Transition) -> None:
        raise ZeroDivisionError

    job.subscribe(broken)
    job.subscribe(lambda transition: heard.append(transition.event))
    await job.fire(Event.ROOM_CONNECTED)
    await job.fire(Event.BOOTSTRAP_STARTED)
    await settled()

    assert heard == [Event.ROOM_CONNECTED, Event.BOOTSTRAP_STARTED]
    assert history_of(job).faults[0]["where"] == "listener"
    assert history_of(job).faults[0]["error"] == "ZeroDivisionError"
    assert "a listener failed on room_connected" in caplog.text


async def test_a_listener_that_raises_into_a_full_journal_does_not_end_the_job(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle(journal=(journal := FullJournal()))

    def broken(transition: Transition) -> None:
        journal.full = True
        raise ZeroDivisionError

    job.subscribe(broken)
    await job.fire(Event.ROOM_CONNECTED)
    await settled()
    journal.full = False
    assert (await job.fire(Event.BOOTSTRAP_STARTED)).target is State.BOOTSTRAPPING


async def test_a_listener_may_post_the_next_event(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    job.subscribe(
        lambda x: job.post(Event.BOOTSTRAP_STARTED) if x.target is State.CONNECTED else None
    )
    await job.fire(Event.ROOM_CONNECTED)
    assert await job.reached(State.BOOTSTRAPPING) is State.BOOTSTRAPPING


async def test_listeners_see_the_context_that_the_job_was_started_in(
    lifecycle: StartLifecycle,
) -> None:
    job_id: contextvars.ContextVar[str] = contextvars.ContextVar("job_id")
    job_id.set("job-1")
    job = lifecycle()
    seen: list[str] = []
    job.subscribe(lambda _: seen.append(job_id.get()))
    await job.fire(Event.ROOM_CONNECTED)
    await settled()
    assert seen == ["job-1"]


# --- the journal -------------------------------------------------------------------------------


async def test_an_event_is_written_down_before_anything_acts_on_it(
    lifecycle: StartLifecycle,
) -> None:
    journal = MemoryJournal()
    job = lifecycle(journal=journal)
    seen: list[tuple[str, State]] = []
    journal.subscribe(lambda record: seen.append((record["kind"], job.state)))
    await job.fire(Event.LOADER_REPORTED, lost("vad"))
    await job.fire(Event.ROOM_CONNECTED)
    assert seen == [
        ("condition", State.HANDSHAKE),
        ("internal", State.HANDSHAKE),
        ("transition", State.HANDSHAKE),
    ]


async def test_a_reader_of_the_journal_that_raises_does_not_undo_what_was_written(
    lifecycle: StartLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    journal = MemoryJournal()
    job = lifecycle(journal=journal)

    def broken(record: dict[str, Any]) -> None:
        raise ZeroDivisionError

    journal.subscribe(broken)
    assert (await job.fire(Event.ROOM_CONNECTED)).target is job.state is State.CONNECTED
    assert "a reader of the journal failed" in caplog.text


async def test_where_the_journal_cannot_be_written_nothing_changes_and_the_caller_is_told(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle(journal=(journal := FullJournal()))
    before, written = as_they_stand(job), list(journal.records)
    journal.full = True
    with pytest.raises(JournalError, match="no space left"):
        await job.fire(Event.ROOM_CONNECTED)
    with pytest.raises(JournalError):
        await job.fire(Event.LOADER_REPORTED, lost("vad"))
    assert as_they_stand(job) == before
    assert journal.records == written

    journal.full = False
    assert (await job.fire(Event.ROOM_CONNECTED)).target is State.CONNECTED


async def test_a_budget_that_could_not_be_written_down_is_tried_again(
    lifecycle: StartLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    """Or else a disk that was full for an instant would keep the job for ever."""
    job = lifecycle(journal=(journal := FullJournal()), budgets={State.HANDSHAKE: 1.0})
    journal.full = True
    await asyncio.sleep(5.5)
    assert job.state is State.HANDSHAKE
    assert "budget_spent was refused" in caplog.text
    journal.full = False
    await job.reached(State.CLOSING)
    assert_outcome(job, Outcome.FAILED, Reason.HANDSHAKE_TIMEOUT)


async def test_the_header_names_the_job_and_the_budgets_it_runs_on(
    lifecycle: StartLifecycle,
) -> None:
    journal = MemoryJournal()
    job = lifecycle(journal=journal, header={"job_id": "job-1"}, budgets={State.CONNECTED: 0.5})
    header, entry = journal.records
    assert (header["kind"], header["seq"], header["job_id"]) == ("job", 0, "job-1")
    assert header["budgets"] == {state: job.budgets[state] for state in BUDGETS}
    assert header["budgets"]["CONNECTED"] == 0.5
    assert (entry["kind"], entry["from"], entry["event"]) == ("transition", None, None)
    assert entry["to"] == "HANDSHAKE"


async def test_time_counts_from_the_jobs_receipt(lifecycle: StartLifecycle) -> None:
    now = asyncio.get_running_loop().time()
    job = lifecycle(received_at=now - 2.5)
    await job.fire(Event.ROOM_CONNECTED)
    assert [x.t for x in job.transitions] == [2.5, 2.5]


async def test_a_journal_file_tells_the_same_story_as_the_job(
    lifecycle: StartLifecycle, tmp_path: Path
) -> None:
    job = lifecycle(journal=(journal := FileJournal(tmp_path / "job.jsonl")))
    await take(job, *way_to(State.CLOSED))
    journal.close()
    assert history_of(tmp_path / "job.jsonl") == history_of(job)
    assert list(history_of(job).transitions) == [x for x in job.transitions if not x.internal]
    json.dumps(history_of(job).as_json())


# --- starting and stopping -----------------------------------------------------------------------


async def test_stopping_answers_those_who_wait() -> None:
    job = Lifecycle()
    job.start()
    held = asyncio.Event()

    async def hold_the_owner(transition: Transition) -> None:
        held.set()
        await asyncio.Event().wait()

    job.subscribe(hold_the_owner)
    await job.fire(Event.ROOM_CONNECTED)
    await held.wait()
    waiting = asyncio.create_task(job.fire(Event.BOOTSTRAP_STARTED))
    watching = asyncio.create_task(job.reached(State.CLOSED))
    await settled()
    await job.stop()

    with pytest.raises(LifecycleStopped):
        await waiting
    with pytest.raises(LifecycleStopped):
        await watching
    assert job.state is State.CONNECTED


async def test_events_after_the_stop_are_refused_or_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Lifecycle() as job:
        pass
    with pytest.raises(LifecycleStopped):
        await job.fire(Event.ROOM_CONNECTED)
    with caplog.at_level(logging.WARNING):
        job.post(Event.ROOM_CONNECTED)
    assert "room_connected came after the lifecycle had stopped" in caplog.text
    assert job.state is State.HANDSHAKE


async def test_stopping_twice_and_stopping_what_never_started_is_harmless() -> None:
    job = Lifecycle()
    await job.stop()
    async with Lifecycle() as started:
        await started.stop()


async def test_a_second_start_is_refused(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    with pytest.raises(RuntimeError, match="started before"):
        job.start()


async def test_cancelling_the_one_who_stops_is_not_swallowed() -> None:
    job = Lifecycle()
    job.start()
    stubborn = asyncio.Event()
    held = asyncio.Event()

    async def slow_to_end(transition: Transition) -> None:
        held.set()
        try:
            await asyncio.Event().wait()
        finally:
            await stubborn.wait()

    job.subscribe(slow_to_end)
    await job.fire(Event.ROOM_CONNECTED)
    await held.wait()
    stopping = asyncio.create_task(job.stop())
    await settled()
    stopping.cancel()
    await settled()
    assert stopping.cancelled()
    stubborn.set()
    await job.stop()


def test_no_timer_is_left_after_the_stop() -> None:
    async def run() -> float:
        async with Lifecycle() as job:
            await job.fire(Event.ROOM_CONNECTED)
        loop = asyncio.get_running_loop()
        assert not [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]  # nobody else tells what is scheduled
        return loop.time()

    assert run_virtual(run()) == 0.0


def test_a_thousand_machines_at_once_keep_out_of_each_others_way() -> None:
    async def one(number: int) -> tuple[State, ...]:
        async with Lifecycle() as job:
            for step in way[: len(way) - number % 2]:
                await asyncio.sleep(number % 7 / 100)
                await job.fire(*step)
            return history_of(job).path

    way = way_to(State.RUNNING)

    async def all_of_them() -> list[tuple[State, ...]]:
        return await asyncio.gather(*(one(number) for number in range(1000)))

    paths = run_virtual(all_of_them())
    assert {path[-1] for path in paths[::2]} == {State.RUNNING}
    assert len({path[-1] for path in paths[1::2]}) == 1
    assert State.RUNNING not in paths[1]


async def test_conditions_are_those_of_the_last_report(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    await job.fire(Event.LOADER_REPORTED, lost("vad"))
    await job.fire(Event.LOADER_REPORTED, loaded("vad"))
    assert isinstance(job.conditions, Conditions)
    assert isinstance(job.conditions["vad"], Condition)
    assert job.conditions.missing == ()
