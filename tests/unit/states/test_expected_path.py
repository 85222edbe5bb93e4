from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states import (
    Event,
    History,
    State,
    Transition,
)
from states._expected_path import visits
from states.testing import (
    PathElement,
    assert_path,
    gap,
    journey,
    on,
    one_of,
)
from tests.support.virtual.journeys import DEGRADED_AND_BACK


@pytest.fixture(scope="module")
def history() -> History:
    """Return the path HANDSHAKE CONNECTED BOOTSTRAPPING DEGRADED READY DEGRADED RUNNING."""
    return journey(*DEGRADED_AND_BACK)


def message_of(subject: History, *path: PathElement) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_path(subject, *path)
    return str(caught.value)


@pytest.mark.row("C7")
@pytest.mark.parametrize(
    "path",
    [
        ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "DEGRADED", "READY", "DEGRADED", "RUNNING"),
        (State.HANDSHAKE, State.CONNECTED, ..., State.RUNNING),
        (...,),
        (..., "RUNNING", ...),
        (..., "DEGRADED", ..., "DEGRADED", "RUNNING"),
        ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", gap("READY", "DEGRADED"), "RUNNING"),
        ("HANDSHAKE", gap("READY"), "CONNECTED", ..., gap("READY", "DEGRADED"), "RUNNING"),
        (..., "BOOTSTRAPPING", one_of("READY", "DEGRADED"), ...),
        (..., on("resource_recovered", "READY"), on(Event.RESOURCE_LOST, State.DEGRADED), ...),
    ],
)
def test_a_path_matches(history: History, path: tuple[PathElement, ...]) -> None:
    assert_path(history, *path)


@pytest.mark.row("C7")
@pytest.mark.parametrize(
    "path",
    [
        (),
        ("HANDSHAKE",),
        ("CONNECTED", ...),
        (..., "CLOSED"),
        ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", gap("DEGRADED"), "RUNNING"),
        (..., "BOOTSTRAPPING", "READY", ...),
        (..., on("resource_lost", "READY"), ...),
        (..., "RUNNING", "CLOSING"),
        (..., one_of("READY", "CLOSING"), "RUNNING"),
    ],
)
def test_a_path_does_not_match(history: History, path: tuple[PathElement, ...]) -> None:
    assert "another path than expected" in message_of(history, *path)


@pytest.mark.parametrize("wrong", ["REDY", "ready"])
def test_an_unknown_state_is_refused_with_the_closest_name(history: History, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"'{wrong}' is not a known state"):
        assert_path(history, ..., wrong)


def test_an_unknown_event_is_refused_with_the_closest_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'room_connected'"):
        on("room_conected", "CONNECTED")


@given(
    path=st.lists(
        st.one_of(
            st.sampled_from(["READY", "DEGRADED", "RUNNING", ...]),
            st.just(gap("READY", "DEGRADED")),
            st.just(one_of("DEGRADED", "RUNNING")),
        ),
        max_size=8,
    ),
    went=st.lists(st.sampled_from([State.READY, State.DEGRADED, State.RUNNING]), max_size=8),
)
def test_a_path_matches_as_the_same_regular_expression_does(
    path: list[PathElement], went: list[State]
) -> None:
    letters = {State.READY: "R", State.DEGRADED: "D", State.RUNNING: "U"}
    pattern = "".join(
        f"[{''.join(sorted(letters[s] for s in visit.states & letters.keys()))}]"
        + ("*" if visit.repeats else "")
        for visit in visits(path)
    )
    taken = tuple(Transition(source=None, event=None, target=state, t=0.0) for state in went)
    if re.fullmatch(pattern, "".join(letters[state] for state in went)):
        assert_path(History(transitions=taken), *path)
    else:
        assert "\n> " in message_of(History(transitions=taken), *path)


@pytest.mark.row("C7")
def test_a_mismatch_shows_both_paths_and_where_they_differ(history: History) -> None:
    message = message_of(
        history, "HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING", "CLOSING"
    )
    assert (
        message
        == """\
the job took another path than expected

  expected       actual         t        on
  HANDSHAKE      HANDSHAKE      0.000 s
  CONNECTED      CONNECTED      0.100 s  room_connected
  BOOTSTRAPPING  BOOTSTRAPPING  0.150 s  bootstrap_started
> READY          DEGRADED       0.900 s  loaders_settled
  RUNNING        READY          1.000 s  resource_recovered
  CLOSING        DEGRADED       1.250 s  resource_lost
  (the end)      RUNNING        1.500 s  session_started

BOOTSTRAPPING was left by loaders_settled at 0.900 s.
outcome: none yet
lost: tts (Refused)"""
    )


def test_a_mismatch_after_a_gap_shows_the_states_that_the_gap_matched(history: History) -> None:
    message = message_of(history, ..., "BOOTSTRAPPING", gap("DEGRADED", "READY"), "CLOSING")
    assert (
        message
        == """\
the job took another path than expected

  expected              actual         t        on
  ...                   HANDSHAKE      0.000 s
  ...                   CONNECTED      0.100 s  room_connected
  BOOTSTRAPPING         BOOTSTRAPPING  0.150 s  bootstrap_started
  gap(DEGRADED, READY)  DEGRADED       0.900 s  loaders_settled
  gap(DEGRADED, READY)  READY          1.000 s  resource_recovered
  gap(DEGRADED, READY)  DEGRADED       1.250 s  resource_lost
> CLOSING               RUNNING        1.500 s  session_started

DEGRADED was left by session_started at 1.500 s.
outcome: none yet
lost: tts (Refused)"""
    )


def test_a_state_missing_after_a_gap_is_reported_at_the_end(history: History) -> None:
    message = message_of(history, ..., "CLOSED")
    assert re.search(r"^> CLOSED +\(nothing\)$", message, re.MULTILINE)
    assert "The path ends in RUNNING, entered at 1.500 s on session_started." in message


def test_visits_after_the_expected_end_of_a_path_with_a_gap_are_marked() -> None:
    message = message_of(journey(until_s=100.0), ..., "CLOSING")
    assert "> (the end)  CLOSED     22.000 s  budget_spent" in message


def test_a_job_that_was_never_started_has_no_path() -> None:
    message = message_of(History(), "HANDSHAKE")
    assert "> HANDSHAKE  (nothing)" in message
    assert "No state was entered." in message


def test_a_path_that_ended_too_early_says_where() -> None:
    late = journey((0.1, Event.ROOM_CONNECTED))
    message = message_of(late, "HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY")
    assert (
        message
        == """\
the job took another path than expected

  expected       actual     t        on
  HANDSHAKE      HANDSHAKE  0.000 s
  CONNECTED      CONNECTED  0.100 s  room_connected
> BOOTSTRAPPING  (nothing)
  READY          (nothing)

The path ends in CONNECTED, entered at 0.100 s on room_connected.
outcome: none yet"""
    )


def test_a_path_that_continued_names_the_event_and_the_end() -> None:
    message = message_of(journey(until_s=100.0), "HANDSHAKE")
    assert (
        message
        == """\
the job took another path than expected

  expected   actual     t         on
  HANDSHAKE  HANDSHAKE   0.000 s
> (the end)  CLOSING    10.000 s  budget_spent
  (the end)  CLOSED     22.000 s  budget_spent

HANDSHAKE was left by budget_spent at 10.000 s.
outcome: failed (HandshakeTimeout)"""
    )
