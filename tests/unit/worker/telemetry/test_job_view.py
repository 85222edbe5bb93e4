"""The state of a job, built from records that may be malformed."""

from __future__ import annotations

import json

import pytest

from tests.support.virtual.journal_parts import START, record, transition
from worker.telemetry.job_view import JobView


@pytest.mark.parametrize(
    "t", [10**400, float("inf"), float("nan"), None, "soon", [1.0]], ids=range(6)
)
def test_a_record_with_a_wrong_time_is_ignored(t: object) -> None:
    view, wrong = JobView("AJ_1"), JobView("AJ_1")
    for each in START:
        view.apply(each)
        wrong.apply(each)
    wrong.apply({**transition("RUNNING", "candidate_left", "CLOSING", 0.0), "t": t})
    assert wrong == view


def test_a_figure_that_is_not_finite_does_not_become_invalid_json() -> None:
    view = JobView("AJ_1")
    view.apply(record("turn", 1.0, speaker="candidate", latency={"llm": float("nan")}))
    view.apply(record("fault", 2.0, rung="clip", silent_s=float("inf")))
    view.apply(record("fault", 3.0, error="LoopStalled", call="x", stalled_s=10**400))
    json.dumps(view.as_data(now=100.0), allow_nan=False)
    assert (view.turns, view.faults) == (1, 2)


def test_a_time_of_day_that_no_clock_has_does_not_hide_the_other_fields() -> None:
    view = JobView("AJ_1")
    view.apply({**START[0], "at": "0001-01-01T00:00:00"})
    assert (view.room, view.interview_id, view.pid) == ("room-1", "iv-1", 4711)
