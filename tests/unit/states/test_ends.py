"""The ends that an application declares: their names, their edge, and what readers show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states import (
    EDGES,
    Edge,
    End,
    EndUnknown,
    Event,
    History,
    IllegalTransition,
    JournalError,
    Outcome,
    Reason,
    State,
    check_ends,
    edges_with,
    render,
)
from states.ends import EndsInvalid
from states.testing import assert_outcome, assert_path, history_of, on
from tests.support.virtual.lifecycle_steps import take, way_to

if TYPE_CHECKING:
    from states.pytest_plugin import Journey, StartLifecycle

ENDS = {
    "appointment_booked": End(Outcome.COMPLETED, "AppointmentBooked"),
    "calendar_full": End(Outcome.FAILED, "CalendarFull"),
}
TO_RUNNING = [
    (0.1, Event.ROOM_CONNECTED),
    (0.1, Event.BOOTSTRAP_STARTED),
    (0.2, Event.LOADERS_SETTLED),
    (0.3, Event.SESSION_STARTED),
]
BOOKED = [*TO_RUNNING, (9.0, "appointment_booked"), (9.5, Event.CLOSED)]
SAME_REASON = (("visited", Outcome.COMPLETED), ("broken_off", Outcome.FAILED))
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,9}(_[a-z0-9]{1,9}){0,3}", fullmatch=True)
REASONS = st.from_regex(r"[A-Z][A-Za-z0-9]{0,30}", fullmatch=True)


#: Outcomes that only the lifecycle gives.
NOT_DECLARED = (Outcome.HANDED_OVER, Outcome.SUPERSEDED)


# --- declaring ----------------------------------------------------------------------------------


@given(name=NAMES, outcome=st.sampled_from(Outcome), reason=REASONS)
def test_any_name_and_reason_that_the_lifecycle_does_not_have_may_be_declared(
    name: str, outcome: Outcome, reason: str
) -> None:
    ends = {name: End(outcome, reason)}
    if name in list(Event) or reason in list(Reason) or outcome in NOT_DECLARED:
        with pytest.raises(EndsInvalid):
            check_ends(ends)
    else:
        check_ends(ends)


@pytest.mark.parametrize(
    ("ends", "problem"),
    [
        ({"AppointmentBooked": End(Outcome.COMPLETED, "Booked")}, "must be in snake_case"),
        ({"a" * 61: End(Outcome.COMPLETED, "Booked")}, "at most 60 characters"),
        ({"closed": End(Outcome.COMPLETED, "Booked")}, "'closed' has the name of an event"),
        ({"booked": End(Outcome.COMPLETED, "work_done")}, "must be in CamelCase"),
        ({"booked": End(Outcome.COMPLETED, "B" * 61)}, "at most 60 characters"),
        ({"booked": End(Outcome.COMPLETED, "RoomLost")}, "RoomLost, belongs to the lifecycle"),
        *(
            ({"moved": End(outcome, "Moved")}, f"'moved', {outcome}, belongs to the lifecycle")
            for outcome in NOT_DECLARED
        ),
        ({"booked": End("done", "Booked")}, "'booked' must be an Outcome"),  # type: ignore[arg-type]  # the mistake under test
        ({"booked": "Booked"}, "'booked' must map a name to an End"),
        ({"Booked": End(Outcome.FAILED, "booked")}, "snake_case.*; .*CamelCase"),
    ],
)
def test_the_error_for_an_invalid_end_is_one_line_that_names_the_problem(
    ends: Any, problem: str
) -> None:
    with pytest.raises(EndsInvalid, match=problem) as caught:
        check_ends(ends)
    assert "\n" not in str(caught.value)


async def test_a_lifecycle_refuses_invalid_ends(lifecycle: StartLifecycle) -> None:
    with pytest.raises(EndsInvalid):
        lifecycle(ends={"closed": End(Outcome.COMPLETED, "Booked")})


# --- ending -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENDS)
async def test_a_declared_end_gives_the_job_its_outcome_and_reason(
    lifecycle: StartLifecycle, name: str
) -> None:
    job = lifecycle(ends=ENDS)
    await take(job, *way_to(State.RUNNING))
    transition = await job.end(name)
    assert (transition.event, transition.target) == (Event.APPLICATION_ENDED, State.CLOSING)
    assert (transition.outcome, transition.reason) == (ENDS[name].outcome, ENDS[name].reason)
    await job.fire(Event.CLOSED)
    assert_outcome(job, ENDS[name].outcome, ENDS[name].reason)


@pytest.mark.parametrize("state", [s for s in State if s not in (State.RUNNING, State.CLOSING)])
async def test_a_declared_end_is_refused_unless_the_job_runs(
    lifecycle: StartLifecycle, state: State
) -> None:
    job = lifecycle(ends=ENDS)
    await take(job, *way_to(state))
    outcome = job.outcome
    with pytest.raises(IllegalTransition):
        await job.end("appointment_booked")
    assert (job.state, job.outcome) == (state, outcome)


async def test_a_second_end_is_recorded_and_changes_nothing(lifecycle: StartLifecycle) -> None:
    job = lifecycle(ends=ENDS)
    await take(job, *way_to(State.RUNNING))
    await job.end("appointment_booked")
    assert (await job.end("calendar_full")).internal
    assert_outcome(job, "completed", "AppointmentBooked")


async def test_an_end_that_is_not_declared_is_refused_and_the_declared_ones_are_named(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle(ends=ENDS)
    await take(job, *way_to(State.RUNNING))
    with pytest.raises(EndUnknown, match=r"declared: appointment_booked, calendar_full"):
        await job.end("appointment")
    with pytest.raises(EndUnknown):
        await job.fire(Event.APPLICATION_ENDED)
    assert (job.state, job.outcome) == (State.RUNNING, None)


# --- reading ------------------------------------------------------------------------------------


def test_a_history_reads_the_declared_ends_and_the_reason_back(journey: Journey) -> None:
    history = journey(*BOOKED, ends=ENDS)
    assert history.ends == ENDS
    assert (history.outcome, history.reason) == (Outcome.COMPLETED, "AppointmentBooked")
    assert_path(history, ..., "RUNNING", on("application_ended", "CLOSING"), "CLOSED")
    again = History.from_json(json.dumps(history.as_json()))
    assert (again.ends, again.reason) == (ENDS, "AppointmentBooked")
    assert_outcome(again, "completed", "AppointmentBooked")


@pytest.mark.parametrize("reason", [None, 7, "two words", "x" * 1000, ["Booked"]], ids=range(5))
def test_a_declared_end_with_an_unreadable_reason_is_left_out(reason: object) -> None:
    ends = {"booked": {"outcome": "completed", "reason": reason}}
    assert History(header={"ends": ends}).ends == {}


def test_another_declared_reason_than_the_jobs_is_a_mismatch_and_an_unknown_one_an_error(
    journey: Journey,
) -> None:
    history = journey(*BOOKED, ends=ENDS)
    with pytest.raises(AssertionError, match="the outcome is not completed"):
        assert_outcome(history, "completed", "CalendarFull")
    with pytest.raises(ValueError, match="AppointmentBocked"):
        assert_outcome(history, "completed", "AppointmentBocked")


def test_only_the_edge_of_the_declared_ends_may_have_a_reason_of_its_own() -> None:
    left = {"from": "RUNNING", "to": "CLOSING", "t": 1.0, "outcome": "completed", "seq": 0}
    record = {**left, "kind": "transition", "event": "application_ended", "reason": "Booked"}
    assert History.from_records([record]).reason == "Booked"
    for changed in ({"event": "candidate_left"}, {"reason": "not a reason"}):
        with pytest.raises(JournalError):
            History.from_records([{**record, **changed}])


def test_a_job_without_declared_ends_has_none_in_its_journal(journey: Journey) -> None:
    history = journey(*TO_RUNNING)
    assert history.ends == {}
    assert "ends" not in history.header
    assert "ends" not in history.as_json()


async def test_a_running_job_whose_journal_keeps_nothing_still_shows_its_ends(
    lifecycle: StartLifecycle,
) -> None:
    assert history_of(lifecycle(ends=ENDS)).ends == ENDS


# --- the table and the drawings -----------------------------------------------------------------


def test_the_table_with_ends_has_one_row_for_each_end_and_is_otherwise_unchanged() -> None:
    edges = edges_with(ENDS)
    own = [edge for edge in edges if edge.is_declared]
    assert own == [
        Edge(
            State.RUNNING,
            Event.APPLICATION_ENDED,
            State.CLOSING,
            outcome=end.outcome,
            reason=end.reason,
        )
        for end in ENDS.values()
    ]
    others = [edge for edge in edges if not edge.is_declared]
    assert others == [edge for edge in EDGES if not edge.is_declared]
    assert edges_with({}) is EDGES


def test_of_two_ends_with_one_reason_the_drawing_shows_the_one_that_the_job_took(
    journey: Journey,
) -> None:
    ends = {name: End(outcome, "VisitEnded") for name, outcome in SAME_REASON}
    drawn = render.mermaid(journey(*TO_RUNNING, (9.0, "broken_off"), ends=ends))
    drawn = drawn.replace("\N{NO-BREAK SPACE}", " ")
    assert "to 6: application_ended → failed · VisitEnded" in drawn
    assert "to 6: application_ended → completed" not in drawn


def test_the_drawing_of_a_job_shows_the_declared_ends_and_the_one_that_it_took(
    journey: Journey,
) -> None:
    drawn = render.mermaid(journey(*BOOKED, ends=ENDS)).replace("\N{NO-BREAK SPACE}", " ")
    assert "to 6: application_ended → completed · AppointmentBooked" in drawn
    assert "application_ended → failed · CalendarFull" in drawn
    assert "in the table" not in drawn
    assert "as declared by the agent" not in drawn
