from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from states import BUDGETS, EDGES, Conditions, Edge, End, Event, IllegalTransition, Outcome, State
from states.table import (
    DEADLINE_GROUPS,
    HURRIED_CLOSING_S,
    SHARED_DEADLINE,
    allowed,
    phase_of,
)
from states.testing import assert_outcome, history_of, loaded, lost, pending
from tests.support.virtual.lifecycle_steps import shortest_ways, take, way_to

if TYPE_CHECKING:
    from states.pytest_plugin import StartLifecycle

WAYS = shortest_ways()
REFUSED = [(state, event) for state in State for event in Event if event not in set(allowed(state))]

#: Every combination of conditions of a required and an optional resource.
SITUATIONS = [
    Conditions.of(words)
    for words in itertools.chain(
        [()],
        itertools.product(
            (pending("vad"), loaded("vad"), lost("vad")),
            (
                pending("orchestrator", required=True),
                loaded("orchestrator", required=True),
                lost("orchestrator", required=True),
            ),
        ),
    )
]


def name_of(edge: Edge) -> str:
    guard = f"[{edge.guard.__name__}]" if edge.guard else ""
    arrow = f"->{edge.target}" if edge.target else ""
    return f"{edge.source}--{edge.event}{guard}{arrow}"


@pytest.mark.row("C1")
@pytest.mark.parametrize("edge", EDGES, ids=name_of)
async def test_each_edge_is_taken_as_in_the_table(lifecycle: StartLifecycle, edge: Edge) -> None:
    job = lifecycle(ends={"appointment_booked": End(Outcome.COMPLETED, "AppointmentBooked")})
    transition = await take(job, *WAYS[edge])

    assert (transition.source, transition.event) == (edge.source, edge.event)
    assert transition.target is job.state is (edge.target or edge.source)
    assert transition.internal is (edge.target is None)
    if edge.outcome is not None:
        assert_outcome(job, edge.outcome, edge.reason)
    history = history_of(job)
    written = history.internals if edge.target is None else history.transitions
    assert written[-1] == transition


@pytest.mark.row("C1")
@pytest.mark.parametrize(("state", "event"), REFUSED, ids=lambda word: str(word))
async def test_an_event_without_an_edge_is_refused_and_changes_nothing(
    lifecycle: StartLifecycle, state: State, event: Event
) -> None:
    job = lifecycle()
    await take(job, *way_to(state))
    before = (job.state, list(job.transitions), job.remaining, job.conditions, job.outcome)
    written = history_of(job)

    with pytest.raises(IllegalTransition) as caught:
        await job.fire(event, lost("vad"))

    assert (caught.value.state, caught.value.event) == (state, event)
    assert caught.value.allowed == allowed(state)
    assert (job.state, job.transitions, job.remaining, job.conditions, job.outcome) == before
    assert history_of(job) == written


@pytest.mark.row("C1")
def test_every_edge_can_be_taken() -> None:
    assert set(WAYS) == set(EDGES)


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached(state: State) -> None:
    assert state is State.HANDSHAKE or any(edge.target is state for edge in WAYS)


@pytest.mark.row("C2")
@pytest.mark.parametrize("state", State)
def test_every_state_but_the_last_has_a_budget_and_a_timeout_edge(state: State) -> None:
    ends = [edge for edge in EDGES if edge.source is state and edge.is_timeout]
    if state is State.CLOSED:
        assert not ends
        assert state not in BUDGETS
        assert allowed(state) == ()
    else:
        assert ends
        assert all(edge.target not in (None, state) for edge in ends)
        assert BUDGETS[state] > 0


def test_exactly_the_edges_into_closing_have_outcome_and_reason() -> None:
    """But for the edge of the ends that an application declares with their outcomes."""
    for edge in EDGES:
        ends = edge.target is State.CLOSING and edge.event is not Event.APPLICATION_ENDED
        assert (edge.outcome is not None, edge.reason is not None) == (ends, ends), name_of(edge)


def test_only_edges_into_or_within_closing_shorten_its_time() -> None:
    hurrying = [edge for edge in EDGES if edge.hurries]
    assert hurrying
    for edge in hurrying:
        assert edge.event in (Event.SHUTDOWN_REQUESTED, Event.WORKER_LOST)
        assert State.CLOSING in (edge.source, edge.target)
    assert BUDGETS[State.CLOSING] > HURRIED_CLOSING_S


def test_closing_leads_only_to_closed() -> None:
    ways_out = {edge.target for edge in EDGES if edge.source is State.CLOSING} - {None}
    assert ways_out == {State.CLOSED}
    assert set(allowed(State.CLOSING)) == set(Event)


def test_no_edge_leads_to_an_earlier_phase() -> None:
    for edge in EDGES:
        assert edge.target is None or edge.target.phase >= edge.source.phase, name_of(edge)


def test_exactly_the_states_before_closing_in_a_connected_room_may_speak() -> None:
    assert {state for state in State if state.may_speak} == {
        State.CONNECTED,
        State.BOOTSTRAPPING,
        State.READY,
        State.DEGRADED,
        State.RUNNING,
    }


def test_a_stored_name_has_the_phase_of_its_state_and_an_unknown_name_none() -> None:
    for state in State:
        assert phase_of(state.value) is state.phase
    assert phase_of("SUSPENDED") is phase_of(None) is None


def test_states_with_one_deadline_are_in_one_phase() -> None:
    for group in DEADLINE_GROUPS:
        assert len({state.phase for state in group}) == 1


def test_ready_and_degraded_share_one_deadline_and_budget() -> None:
    assert frozenset({State.READY, State.DEGRADED}) == SHARED_DEADLINE
    assert (State.READY, State.DEGRADED) in DEADLINE_GROUPS
    assert BUDGETS[State.READY] == BUDGETS[State.DEGRADED]


@pytest.mark.row("C3", "C4")
def test_exactly_one_guard_holds_wherever_an_event_is_allowed() -> None:
    rows: defaultdict[tuple[State, Event], list[Edge]] = defaultdict(list)
    for edge in EDGES:
        rows[edge.source, edge.event].append(edge)
    for (state, event), edges in rows.items():
        for situation in SITUATIONS:
            holding = [e for e in edges if e.guard is None or e.guard(situation)]
            assert len(holding) == 1, f"{state} {event} {situation.missing}"


@pytest.mark.row("C4")
def test_loading_fails_hard_only_for_required_resources() -> None:
    """Only a required resource, and a dispatch or database that name no interview to hold."""
    failures = {
        edge.event
        for edge in EDGES
        if edge.source is State.BOOTSTRAPPING and edge.outcome is Outcome.FAILED
    }
    anywhere = {edge.event for edge in EDGES if edge.source is State.CONNECTED}
    anywhere.discard(Event.BUDGET_SPENT)
    assert failures - anywhere == {
        Event.RESOURCE_FAILED,
        Event.ORCHESTRATOR_FAILED,
        Event.LOADERS_SETTLED,
        Event.BUDGET_SPENT,
        Event.METADATA_INVALID,
        Event.INTERVIEW_UNKNOWN,
    }
