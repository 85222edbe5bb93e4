from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from states import (
    BUDGETS,
    Event,
    MemoryJournal,
    Outcome,
    Reason,
    State,
    Transition,
)
from states.phases import Budget
from states.table import HURRIED_CLOSING_S
from states.testing import (
    assert_entered,
    assert_outcome,
    assert_path,
    history_of,
    loaded,
    lost,
    on,
    pending,
)
from tests.support.virtual.lifecycle_steps import edge_taken, settled, take, way_to

if TYPE_CHECKING:
    from states import Condition
    from states.pytest_plugin import Journey, StartLifecycle

TIMED_STATES = [state for state in State if state is not State.CLOSED]


@pytest.mark.row("C2")
@pytest.mark.parametrize("state", TIMED_STATES)
async def test_a_state_ends_at_its_budget_and_not_before(
    lifecycle: StartLifecycle, state: State
) -> None:
    job = lifecycle()
    await take(job, *way_to(state))
    edge, _ = edge_taken(state, (Event.BUDGET_SPENT,), job.conditions)
    assert edge is not None

    await asyncio.sleep(BUDGETS[state] - 0.001)
    assert job.state is state
    await asyncio.sleep(0.001)
    await settled()

    assert job.state is edge.target
    assert job.transitions[-1].event is Event.BUDGET_SPENT
    assert job.transitions[-1].t == BUDGETS[state]
    if edge.outcome is not None:
        assert_outcome(job, edge.outcome, edge.reason)


@pytest.mark.parametrize(
    ("words", "after", "reason"),
    [
        ((), State.CLOSING, Reason.BOOTSTRAP_TIMEOUT),
        ((loaded("vad"),), State.CLOSING, Reason.BOOTSTRAP_TIMEOUT),
        ((loaded("orchestrator", required=True),), State.DEGRADED, None),
        ((loaded("orchestrator", required=True), loaded("vad")), State.READY, None),
    ],
    ids=["nothing", "only optional", "only required", "everything"],
)
def test_only_a_missing_required_resource_fails_the_job_at_the_loading_budget(
    journey: Journey, words: tuple[Condition, ...], after: State, reason: Reason | None
) -> None:
    """A loader without a report counts as missing, because it was declared."""
    history = journey(
        (0.0, Event.ROOM_CONNECTED),
        (0.0, Event.BOOTSTRAP_STARTED, pending("orchestrator", required=True), pending("vad")),
        *((1.0, Event.LOADER_REPORTED, word) for word in words),
        until_s=BUDGETS[State.BOOTSTRAPPING],
    )
    assert_path(history, ..., "BOOTSTRAPPING", on("budget_spent", after))
    assert history.reason is reason


async def test_one_budget_can_be_replaced_and_the_others_stay(lifecycle: StartLifecycle) -> None:
    job = lifecycle(budgets={State.HANDSHAKE: 0.3})
    assert job.remaining == pytest.approx(0.3)
    await job.fire(Event.ROOM_CONNECTED)
    assert job.remaining == pytest.approx(BUDGETS[State.CONNECTED])


@pytest.mark.parametrize("event_is_first", [True, False], ids=["event first", "budget first"])
async def test_an_event_at_the_instant_the_budget_ends_leaves_the_job_consistent(
    lifecycle: StartLifecycle, event_is_first: bool
) -> None:
    """The first event in the mailbox decides, and the other one does no harm.

    The AsyncTimeout of `transitions` raises here and leaves the job half-way.
    """
    loop = asyncio.get_running_loop()
    job = lifecycle(journal=(journal := MemoryJournal()))
    slow_listener: list[Transition] = []

    async def listen(transition: Transition) -> None:
        await asyncio.sleep(0.01)
        slow_listener.append(transition)

    job.subscribe(listen)
    deadline = loop.time() + BUDGETS[State.HANDSHAKE]
    # Timers due at one instant run in the order of their times. Half a tick of the loop's clock
    # (looptime's resolution is 1 us) sets the order and leaves the instant unchanged.
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
    """The expired budget is in the mailbox, behind an event that ends the visit it belongs to."""
    job = lifecycle(budgets={State.HANDSHAKE: 1.0})
    release = asyncio.Event()

    async def hold_the_owner(transition: Transition) -> None:
        await release.wait()

    job.subscribe(hold_the_owner)
    await job.fire(Event.LOADER_REPORTED, loaded("vad"))
    job.post(Event.ROOM_CONNECTED)
    await asyncio.sleep(1.5)  # the handshake's budget expires while the machine's task is held
    release.set()
    await settled()

    assert_path(job, "HANDSHAKE", "CONNECTED")
    assert job.remaining == pytest.approx(BUDGETS[State.CONNECTED])


@pytest.mark.row("C2")
async def test_alternating_between_ready_and_degraded_does_not_extend_the_deadline(
    lifecycle: StartLifecycle,
) -> None:
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


@pytest.mark.row("C2")
async def test_each_group_of_states_has_one_deadline_of_its_own(
    lifecycle: StartLifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CONNECTED shares the deadline of HANDSHAKE here, besides READY and DEGRADED."""
    monkeypatch.setattr(State.CONNECTED, "budget", State.HANDSHAKE.budget)
    job = lifecycle()
    await asyncio.sleep(4.0)
    await job.fire(Event.ROOM_CONNECTED)
    assert job.remaining == pytest.approx(BUDGETS[State.HANDSHAKE] - 4.0)

    await job.fire(Event.BOOTSTRAP_STARTED, pending("vad"))
    assert job.remaining == pytest.approx(BUDGETS[State.BOOTSTRAPPING])
    await job.fire(Event.LOADER_REPORTED, lost("vad"))
    await job.fire(Event.LOADERS_SETTLED)
    assert job.remaining == pytest.approx(BUDGETS[State.DEGRADED])
    await asyncio.sleep(3.0)
    await job.fire(Event.RESOURCE_RECOVERED, loaded("vad"))
    assert job.remaining == pytest.approx(BUDGETS[State.READY] - 3.0)
    await job.fire(Event.SESSION_STARTED)
    assert job.remaining == pytest.approx(BUDGETS[State.RUNNING])


async def test_a_state_left_for_another_deadline_begins_anew_when_entered_again(
    lifecycle: StartLifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(State.DEGRADED, "budget", Budget(5.0, "waiting for a resource"))
    job = lifecycle(budgets={State.DEGRADED: 5.0})
    await take(job, *way_to(State.READY))
    await asyncio.sleep(3.0)
    await job.fire(Event.RESOURCE_LOST, lost("vad"))
    assert job.remaining == pytest.approx(5.0)
    await asyncio.sleep(3.0)
    await job.fire(Event.RESOURCE_RECOVERED, loaded("vad"))
    assert job.remaining == pytest.approx(BUDGETS[State.READY])


async def test_an_event_without_a_state_change_keeps_the_deadline(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    await take(job, *way_to(State.RUNNING))
    await asyncio.sleep(600.0)
    await job.fire(Event.RESOURCE_LOST, lost("tts"))
    await asyncio.sleep(600.0)
    await job.fire(Event.RESOURCE_RECOVERED, loaded("tts"))

    assert job.state is State.RUNNING
    assert job.remaining == pytest.approx(BUDGETS[State.RUNNING] - 1200.0)


async def test_a_resource_that_stays_lost_keeps_its_time_of_loss(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    await take(job, *way_to(State.RUNNING))
    await asyncio.sleep(5.0)
    await job.fire(Event.RESOURCE_LOST, lost("tts", "Refused"))
    await asyncio.sleep(5.0)
    await job.fire(Event.RESOURCE_LOST, lost("tts", "Silent"))
    assert (job.conditions["tts"].reason, job.conditions["tts"].since) == ("Silent", 5.0)


def test_closing_ends_sooner_once_the_worker_shuts_down(journey: Journey) -> None:
    history = journey((1.0, Event.ROOM_LOST), (2.0, Event.SHUTDOWN_REQUESTED), until_s=60.0)
    assert_outcome(history, Outcome.FAILED, Reason.ROOM_LOST)
    assert assert_entered(history, "CLOSED", since="CLOSING") == 1.0 + HURRIED_CLOSING_S


def test_repeated_shutdown_requests_never_extend_closing(journey: Journey) -> None:
    asked = [(float(second), Event.SHUTDOWN_REQUESTED) for second in range(1, 5)]
    history = journey(*asked, until_s=60.0)
    assert assert_entered(history, "CLOSED") == 1.0 + HURRIED_CLOSING_S


def test_a_late_shutdown_request_does_not_extend_closing(journey: Journey) -> None:
    budget = BUDGETS[State.CLOSING]
    history = journey(
        (0.0, Event.ROOM_LOST), (budget - 1.0, Event.SHUTDOWN_REQUESTED), until_s=60.0
    )
    assert assert_entered(history, "CLOSED") == budget


async def test_events_during_closing_are_recorded_and_keep_the_outcome(
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
