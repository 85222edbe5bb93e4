"""The tables of the drain, of a job that is drained, and of the search for free slots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import pytest

from tests.support.transition_tables import Cell, cells_of, sentence
from worker.server.drain_state import (
    DRAIN_TRANSITIONS,
    JOB_TRANSITIONS,
    SEARCH_TRANSITIONS,
    DrainedJob,
    DrainEvent,
    DrainState,
    JobEvent,
    JobState,
    SearchEvent,
    SearchState,
)

DRAIN: Final = """
event         accepting                draining                 handing_over             handing_over_on_request ending
started       draining                 -                        -                        -                       -
time_over     -                        handing_over             -                        -                       -
stop_repeated handing_over_on_request  handing_over_on_request  handing_over_on_request  ending                  -
"""  # noqa: E501  # one row per event

JOB: Final = """
event    running      handing_over ending
handover handing_over -            -
end      ending       ending       -
"""

SEARCH: Final = """
event             not_begun searching waiting keeping
looked            searching -         -       -
no_slot_yet       -         waiting   -       -
no_slot_but_kept  -         keeping   -       -
"""

Table = Mapping[tuple[Any, Any], StrEnum]


@pytest.mark.parametrize("cell", cells_of(DRAIN), ids=sentence)
def test_each_event_of_the_drain(cell: Cell) -> None:
    assert DRAIN_TRANSITIONS.get((DrainState(cell.state), DrainEvent(cell.event))) == cell.target


@pytest.mark.parametrize("cell", cells_of(SEARCH), ids=sentence)
def test_each_event_of_the_search_for_free_slots(cell: Cell) -> None:
    state, event = SearchState(cell.state), SearchEvent(cell.event)
    assert SEARCH_TRANSITIONS.get((state, event)) == cell.target


@pytest.mark.parametrize(
    ("table", "drawn"),
    [(DRAIN_TRANSITIONS, DRAIN), (JOB_TRANSITIONS, JOB), (SEARCH_TRANSITIONS, SEARCH)],
)
def test_no_row_is_missing_from_the_drawn_table(table: Table, drawn: str) -> None:
    assert len(table) == sum(cell.target is not None for cell in cells_of(drawn))


def job_in(state: str) -> DrainedJob:
    job = DrainedJob()
    paths = {JobState.HANDING_OVER: JobEvent.HANDOVER, JobState.ENDING: JobEvent.END}
    if event := paths.get(JobState(state)):
        job.tell(event, must_end_at=10.0)
    return job


@pytest.mark.parametrize("cell", [cell for cell in cells_of(JOB) if cell.target], ids=sentence)
def test_a_signal_changes_the_state_and_the_deadline_of_a_job(cell: Cell) -> None:
    job = job_in(cell.state)
    assert job.may_get(JobEvent(cell.event))

    job.tell(JobEvent(cell.event), must_end_at=20.0)

    assert (job.state, job.must_end_at) == (cell.target, 20.0)


@pytest.mark.parametrize("cell", [cell for cell in cells_of(JOB) if not cell.target], ids=sentence)
def test_a_signal_that_a_job_must_not_get_is_refused_and_changes_nothing(cell: Cell) -> None:
    job = job_in(cell.state)
    assert not job.may_get(JobEvent(cell.event))

    with pytest.raises(ValueError, match=f"{cell.event}.*{cell.state}"):
        job.tell(JobEvent(cell.event), must_end_at=20.0)

    assert (job.state, job.must_end_at) == (cell.state, 10.0)


def test_a_job_without_a_signal_has_no_deadline() -> None:
    assert DrainedJob().must_end_at == math.inf
