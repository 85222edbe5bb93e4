"""The metadata of a dispatch, and data that exceeds its size limit."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest

from tests.support.virtual.interview_parts import plan_of, question
from tests.support.virtual.job_parts import settings_in
from tests.support.virtual.stored_interview import stored_interview
from worker.cli import interviews
from worker.continuity.dispatch_metadata import (
    MAX_METADATA_BYTES,
    MetadataInvalid,
    dispatch_metadata,
    has_newer_protocol,
    metadata_after,
    read_candidate,
    read_follows,
    read_metadata,
    read_spent_s,
    read_turns,
    without_plan,
)
from worker.continuity.metadata_cipher import WorkerKeys
from worker.interview.plan.plan import MAX_QUESTIONS, Plan
from worker.interview.turn_codec import from_json, from_store
from worker.livekit_api.client import LiveKitClient
from worker.operations import interviews as operations
from worker.store.scope import PROTOCOL
from worker.store.turns import Turn, turn_as_data

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.database import Database
    from worker.store.interviews import Interview


def interview_of(plan: dict[str, Any], candidate_identity: str = "candidate-iv-1") -> Interview:
    return stored_interview(plan=plan, candidate_identity=candidate_identity)


def longest(bytes_over: int) -> Interview:
    """Return an interview whose metadata with its plan exceeds the limit by `bytes_over` bytes."""
    empty = interview_of({"title": ""})
    room = MAX_METADATA_BYTES + bytes_over - len(dispatch_metadata(empty))
    return interview_of({"title": "x" * room})


def test_a_plan_with_the_maximum_number_of_questions_fits_into_the_metadata() -> None:
    plan = plan_of(*(question(number, follow_ups=1) for number in range(MAX_QUESTIONS)))
    name, snapshot = read_metadata(dispatch_metadata(interview_of(plan.to_json())))
    assert name == "iv-1"
    assert Plan.from_json(snapshot) == plan


def test_a_plan_that_fits_exactly_is_included_and_one_byte_more_is_not() -> None:
    assert len(dispatch_metadata(longest(0)).encode()) == MAX_METADATA_BYTES
    assert read_metadata(dispatch_metadata(longest(1))) == ("iv-1", None)


def test_metadata_size_is_counted_in_utf_8_bytes() -> None:
    metadata = dispatch_metadata(interview_of({"title": "\u00e4" * (MAX_METADATA_BYTES // 4)}))
    assert "plan" in json.loads(metadata)
    metadata = dispatch_metadata(interview_of({"title": "\u00e4" * (MAX_METADATA_BYTES // 2)}))
    assert "plan" not in json.loads(metadata)


@pytest.mark.parametrize("identity", ["candidate-iv-1", "ada@example.org"])
def test_a_dispatch_tells_who_the_candidate_is_without_the_database(identity: str) -> None:
    interview = interview_of({"title": "A talk"}, identity)
    for metadata in (dispatch_metadata(interview), without_plan(interview)):
        assert read_candidate(metadata, "iv-1") == identity
        assert ("candidate_identity" in json.loads(metadata)) == (identity != "candidate-iv-1")


@pytest.mark.parametrize("identity", [None, "", 5, ["ada"]])
def test_a_dispatch_without_a_readable_identity_has_the_usual_candidate(identity: object) -> None:
    metadata = json.dumps({"interview_id": "iv-1", "candidate_identity": identity})
    assert read_candidate(metadata, "iv-1") == "candidate-iv-1"


def turn(speaker: Literal["candidate", "interviewer"], text: str, **fields: Any) -> Turn:
    known = {"question_id": None, "role": None, "generated": None, "heard": None}
    return Turn(
        interview_id="iv-1",
        job_id="AJ_1",
        seq=1,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        speaker=speaker,
        text=text,
        late=False,
        **{**known, "interrupted": False, **fields},
    )


TURNS = [
    turn(
        "interviewer",
        "How are you?",
        question_id="q0",
        role="question",
        generated="How are you today?",
        interrupted=True,
    ),
    turn("candidate", "Fine."),
]
CARRIED = [turn_as_data(each) for each in TURNS]


def test_metadata_for_a_successor_carries_the_turns() -> None:
    interview = interview_of(plan_of(question(0)).to_json())
    metadata = metadata_after(interview, job_id="AJ_1", why="LeaseExpired", turns=CARRIED)
    assert from_json(read_turns(metadata)) == [from_store(each) for each in TURNS]
    assert read_follows(metadata) == {"follows_job": "AJ_1", "follows_why": "LeaseExpired"}
    assert read_metadata(metadata)[1] == interview.plan


def test_turns_that_do_not_fit_are_left_out_before_the_plan() -> None:
    interview = interview_of(plan_of(question(0)).to_json())
    much = [turn_as_data(turn("candidate", "x" * MAX_METADATA_BYTES))]
    metadata = metadata_after(interview, job_id=None, why="NotTaken", turns=much)
    assert read_turns(metadata) == []
    assert read_metadata(metadata)[1] == interview.plan


@pytest.mark.parametrize(
    "turns",
    [
        None,
        "turns",
        ["turn"],
        [{"speaker": "candidate"}],
        [{"at": "yesterday", "role": None}],
        [CARRIED[0] | {"of_a_newer_worker": 1}],
    ],
)
def test_malformed_turns_are_ignored(turns: object) -> None:
    metadata = json.dumps({"interview_id": "iv-1", "follows": {"turns": turns}})
    assert from_json(read_turns(metadata)) == []


@pytest.mark.parametrize(("bytes_over", "lines"), [(0, 0), (1, 1)])
async def test_a_dispatch_without_its_plan_prints_a_one_line_warning(
    bytes_over: int,
    lines: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sent: list[str] = []

    async def dispatch(*_: object, metadata: str, **__: str) -> str:
        sent.append(metadata)
        return "AD_1"

    async def set_dispatched(*_: object, **__: object) -> bool:
        return True

    monkeypatch.setattr(LiveKitClient, "dispatch", dispatch)
    monkeypatch.setattr(operations, "set_dispatched", set_dispatched)
    settings = settings_in(
        tmp_path, LIVEKIT_URL="ws://127.0.0.1:1", LIVEKIT_API_KEY="k", LIVEKIT_API_SECRET="s"
    )
    interview = longest(bytes_over)
    done = await operations.send_interviewer(cast("Database", None), settings, interview)
    assert done == operations.Sent(dispatch_id="AD_1", carries_plan=not bytes_over)
    interviews._warn_of(done)
    assert [WorkerKeys.of(settings).decrypt(each, room="room-1") for each in sent] == [
        dispatch_metadata(interview)
    ]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == lines
    assert not lines or "512 KiB" in printed.err


@pytest.mark.parametrize("turns", [CARRIED, [CARRIED[0] | {"text": "x" * MAX_METADATA_BYTES}]])
def test_metadata_for_a_successor_tells_the_time_that_earlier_jobs_used(turns: list[Any]) -> None:
    interview = interview_of(plan_of(question(0)).to_json())
    sent: dict[str, Any] = {"job_id": "AJ_1", "why": "LeaseExpired", "turns": turns}
    assert read_spent_s(metadata_after(interview, **sent, spent_s=1234.56789)) == 1234.568
    assert read_spent_s(metadata_after(interview, **sent)) == 0.0
    assert read_spent_s(dispatch_metadata(interview)) == 0.0


@pytest.mark.parametrize("spent_s", ['"60"', "null", "true", "-1", "NaN", "Infinity", "1" * 400])
def test_a_time_that_is_no_number_of_seconds_counts_as_none(spent_s: str) -> None:
    metadata = f'{{"interview_id": "iv-1", "follows": {{"spent_s": {spent_s}}}}}'
    assert read_spent_s(metadata) == 0.0


@pytest.mark.parametrize("protocol", [1, PROTOCOL])
def test_every_form_of_the_metadata_has_the_protocol_of_the_interview(protocol: int) -> None:
    follows: dict[str, Any] = {"job_id": "AJ_1", "why": "LeaseExpired", "turns": CARRIED}
    for plan in ({"title": "short"}, {"title": "x" * MAX_METADATA_BYTES}):
        interview = replace(interview_of(plan), protocol=protocol)
        for metadata in (
            dispatch_metadata(interview),
            without_plan(interview),
            metadata_after(interview, **follows),
        ):
            assert json.loads(metadata)["protocol"] == protocol
            assert not has_newer_protocol(metadata)


def test_metadata_of_a_later_version_names_no_interview_that_this_version_can_hold() -> None:
    metadata = json.dumps({"interview_id": "iv-1", "protocol": PROTOCOL + 1, "plan": {}})
    assert has_newer_protocol(metadata)
    with pytest.raises(MetadataInvalid, match=f"and this version understands {PROTOCOL}"):
        read_metadata(metadata)


@pytest.mark.parametrize("protocol", [None, True, "2", 2.5, [2], 0, -1, 1, PROTOCOL])
def test_a_protocol_that_is_no_newer_number_is_ignored(protocol: object) -> None:
    metadata = json.dumps({"interview_id": "iv-1", "protocol": protocol})
    assert not has_newer_protocol(metadata)
    assert read_metadata(metadata) == ("iv-1", None)


@pytest.mark.parametrize(
    "metadata", ["", "[" * 100_000, "null", "[]", f'{{"protocol": {PROTOCOL + 1}}}']
)
def test_metadata_without_an_interview_has_no_newer_protocol(metadata: str) -> None:
    assert not has_newer_protocol(metadata)
