"""The metadata of a dispatch, and what a job does with it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given

from tests.fuzz.budget import examples
from tests.fuzz.promises import assert_has_none_of, assert_one_line, within_time
from tests.fuzz.strategies.dispatches import SPOKEN, damaged_metadata, dispatches
from worker.continuity.dispatch_metadata import (
    MetadataInvalid,
    dispatch_metadata,
    has_newer_protocol,
    metadata_after,
    read_follows,
    read_metadata,
    read_spent_s,
    read_turns,
)
from worker.interview.orchestrator import leeway, next_move, seconds_left
from worker.interview.plan.plan import Plan, PlanError
from worker.interview.turn_codec import from_json
from worker.store.interviews import check_interview_id

if TYPE_CHECKING:
    from worker.store.interviews import Interview

#: A year in seconds. No interview lasts longer.
A_YEAR_S = 365 * 86_400


def interview_of(data: dict[str, Any]) -> Interview:
    """Return the stored interview that a dispatch is made for."""
    identity = f"candidate-{data['interview_id']}"
    fields = {"interview_id": data["interview_id"], "protocol": 1, "room": "room-1"}
    found = SimpleNamespace(**fields, plan=data.get("plan", {}), candidate_identity=identity)
    return cast("Interview", found)


def used_by_a_job(metadata: str) -> None:
    """Read metadata as a job does, and find the interviewer's next utterance."""
    interview_id, snapshot = read_metadata(metadata)
    check_interview_id(interview_id)
    assert not has_newer_protocol(metadata)
    turns = from_json(read_turns(metadata))
    assert 0 <= read_spent_s(metadata) <= A_YEAR_S
    for word in read_follows(metadata).values():
        assert_one_line(word, longest=100)
    if snapshot is None:
        return
    try:
        plan = Plan.from_json(snapshot)
    except PlanError as error:
        assert_has_none_of(str(error), (SPOKEN,))
        return
    move = next_move(plan, turns)
    assert isinstance(move.text, str)
    assert leeway(plan, turns).move == move
    assert isinstance(seconds_left(plan, turns), float)


@given(dispatches())
@examples(10)
def test_what_is_sent_with_a_dispatch_is_what_the_job_reads(data: dict[str, Any]) -> None:
    interview = interview_of(data)
    snapshot = data.get("plan", {})
    assert read_metadata(dispatch_metadata(interview)) == (data["interview_id"], snapshot)
    follows = data.get("follows", {})
    turns = follows.get("turns", [])
    after = metadata_after(
        interview, job_id="AJ_1", why="NotTaken", turns=turns, spent_s=follows.get("spent_s")
    )
    assert read_turns(after) == turns
    assert len(from_json(read_turns(after))) == len(turns)
    assert read_follows(after) == {"follows_job": "AJ_1", "follows_why": "NotTaken"}
    assert read_spent_s(after) == round(follows.get("spent_s") or 0.0, 3)
    used_by_a_job(after)


@given(damaged_metadata())
@examples(32)
def test_damaged_metadata_is_refused_in_one_line_or_a_job_can_use_it(metadata: str) -> None:
    size = len(metadata)
    try:
        within_time(lambda: used_by_a_job(metadata), size=size)
    except MetadataInvalid as error:
        assert_one_line(str(error), longest=150)
        assert_has_none_of(str(error), (SPOKEN,))
        assert "dispatch" in str(error)
    assert isinstance(within_time(lambda: has_newer_protocol(metadata), size=size), bool)


@given(damaged_metadata())
@examples(12)
def test_the_other_readers_of_metadata_raise_no_error(metadata: str) -> None:
    turns = read_turns(metadata)
    assert all(isinstance(turn, dict) for turn in turns)
    assert all(json.dumps(turn) for turn in turns)
    assert 0 <= read_spent_s(metadata) <= A_YEAR_S
    assert read_follows(metadata).keys() <= {"follows_job", "follows_why"}
