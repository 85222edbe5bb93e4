"""Dispatches of an earlier version, taken by a job of the current one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compat.capture.written import metadata_as_read
from tests.compat.captured import VERSIONS, Captured, broken, readable
from tests.compat.comparing import changed_values
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import read_follows, read_metadata
from worker.continuity.metadata_cipher import WorkerKeys
from worker.interview.application import InterviewApplication
from worker.interview.orchestrator import next_move
from worker.interview.plan.plan import Plan
from worker.job.application import Dispatch

pytestmark = pytest.mark.usefixtures("only_these_settings")

_FORMS = [
    pytest.param(version, name, entry, id=f"{version}-{name}")
    for version in VERSIONS
    for name, entry in version.data("dispatch_metadata", "index.json").items()
]


def _text(version: Captured, name: str) -> str:
    return version.path("dispatch_metadata", f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("version", "name", "entry"), _FORMS)
def test_a_dispatch_keeps_its_interview_plan_and_turns(
    version: Captured, name: str, entry: dict[str, Any]
) -> None:
    with readable(f"The dispatch metadata {name!r} of version {version}"):
        found = metadata_as_read(_text(version, name))
    broken(
        [
            f"In the dispatch metadata {name!r} of version {version}, {problem}."
            for problem in changed_values(entry, found)
        ]
    )


@pytest.mark.parametrize(("version", "name", "entry"), _FORMS)
def test_a_job_writes_the_interview_and_its_predecessor_into_its_header(
    version: Captured, name: str, entry: dict[str, Any]
) -> None:
    dispatch = Dispatch(job_id="AJ_new", room="room", metadata=_text(version, name))
    with readable(f"The dispatch metadata {name!r} of version {version}"):
        header = InterviewApplication(dispatch, Settings.load()).header()
    assert header == {"interview_id": entry["interview_id"], **entry["follows"]}


@pytest.mark.parametrize(("version", "name", "entry"), _FORMS)
def test_a_dispatch_that_is_not_encrypted_is_read_as_it_is(
    version: Captured, name: str, entry: dict[str, Any]
) -> None:
    text = _text(version, name)
    assert WorkerKeys("a key").decrypt(text, room="room") == text


@pytest.mark.parametrize(("version", "name", "entry"), _FORMS)
def test_an_older_worker_finds_the_interview_of_an_encrypted_dispatch_and_no_plan(
    version: Captured, name: str, entry: dict[str, Any]
) -> None:
    """It reads the plan and the turns from the database."""
    interview_id = entry["interview_id"]
    sent = WorkerKeys("a key").for_interview("room", interview_id).encrypt(_text(version, name))
    found = metadata_as_read(sent)
    assert (found["interview_id"], bool(found["plan"]), found["turns"]) == (interview_id, False, [])
    assert WorkerKeys("a key").decrypt(sent, room="room") == _text(version, name)


def test_the_plan_of_a_dispatch_can_be_used_for_an_interview(captured: Captured) -> None:
    with readable(f"The plan in a dispatch of version {captured}"):
        _, snapshot = read_metadata(_text(captured, "created"))
        plan = Plan.from_json(snapshot)
        move = next_move(plan, ())
    assert plan.opening in move.text
    assert plan.questions[0].text in move.text


def test_the_captured_dispatches_include_kill_handover_and_omitted_fields(
    captured: Captured,
) -> None:
    why = {
        name: read_follows(_text(captured, name)).get("follows_why")
        for name in captured.data("dispatch_metadata", "index.json")
    }
    assert {"ProcessKilled", "HandoverRequested", "LeaseExpired", "NotTaken", None} <= {
        *why.values()
    }
    forms = captured.data("dispatch_metadata", "index.json").values()
    assert {bool(form["plan"]) for form in forms} == {True, False}
    assert {bool(form["turns"]) for form in forms} == {True, False}
