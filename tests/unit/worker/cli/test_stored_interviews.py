"""`interview-worker interviews list`, `show` and `export`: what they print and ask for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.interview_commands import INTERVIEW, no_database, typed
from worker.cli import stored_interviews
from worker.cli.common import ExitCode
from worker.operations import interviews as operations
from worker.store.interviews import InterviewStatus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def without_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stored_interviews, "database", no_database)


# --- list -----------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the filters of the last list."""
    filters: dict[str, Any] = {}

    async def list_interviews(_: object, **given: Any) -> list[Any]:
        filters.update(given)
        return [INTERVIEW]

    monkeypatch.setattr(stored_interviews, "list_interviews", list_interviews)
    return filters


def test_the_filters_of_a_list_reach_the_database(asked: dict[str, Any]) -> None:
    done = typed(
        *("list", "--status", "running", "--candidate", "ada", "--limit", "7"),
        *("--since", "2026-03-01", "--until", "2026-03-31"),
    )
    assert done.exit_code == ExitCode.OK, done.stderr
    assert asked == {
        "status": InterviewStatus.RUNNING,
        "candidate": "ada",
        "since": datetime(2026, 3, 1, tzinfo=UTC),
        "until": datetime(2026, 4, 1, tzinfo=UTC),
        "limit": 8,
    }


@pytest.mark.parametrize("status", ["created", "dispatched", "running", "waiting", "ended"])
def test_a_list_can_be_limited_to_each_status(status: str, asked: dict[str, Any]) -> None:
    done = typed("list", "--status", status)
    assert done.exit_code == ExitCode.OK, done.stderr
    assert asked["status"] is InterviewStatus(status)


@pytest.mark.parametrize("status", ["other", "paused"])
def test_a_list_cannot_be_limited_to_the_statuses_of_later_versions(
    status: str, asked: dict[str, Any]
) -> None:
    done = typed("list", "--status", status)
    assert done.exit_code == ExitCode.USAGE
    assert "'waiting'" in done.stderr
    assert asked == {}


def test_a_list_without_filters_asks_for_all(asked: dict[str, Any]) -> None:
    assert typed("list").exit_code == ExitCode.OK
    everything = dict.fromkeys(("status", "candidate", "since", "until"))
    assert asked == {**everything, "limit": 101}


def test_a_list_has_the_candidate_and_the_plan(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert json.loads(typed("list", "--json").stdout) == [
        {
            "interview_id": "one",
            "room": "interview-one",
            "status": "created",
            "outcome": None,
            "reason": None,
            "created_at": "2026-03-01T09:30:15.123456+00:00",
            "candidate_name": "Ada",
            "plan_title": "A talk",
        }
    ]
    row = typed("list").stdout.splitlines()[1].split()
    assert row == ["one", "Ada", "interview-one", "created", "2026-03-01", "09:30:15"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--since", "yesterday"), "--since must be a time such as"),
        (("--since", "2026-03-02", "--until", "2026-03-01"), "--since is not before --until"),
        (("--candidate", " "), "--candidate must be"),
    ],
)
def test_an_impossible_filter_is_one_line(
    arguments: tuple[str, ...], says: str, asked: dict[str, Any]
) -> None:
    done = typed("list", *arguments)
    assert done.exit_code == ExitCode.USAGE
    (line,) = done.stderr.splitlines()
    assert says in line
    assert asked == {}


# --- show -----------------------------------------------------------------------------------------


def test_what_a_candidate_typed_cannot_change_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn = {"speaker": "candidate", "text": "a\x1b[31mb\nc\x9b", "interrupted": False}
    unknown = dict.fromkeys(("outcome", "reason"))

    async def as_data(_: object, interview_id: str) -> dict[str, Any]:
        known = {"interview_id": interview_id, "room": "r", "status": "running", "jobs": []}
        return {**known, **unknown, "turns": [turn]}

    monkeypatch.setattr(operations, "interview_as_data", as_data)
    shown = typed("show", "one").stdout
    exported = typed("export", "one").stdout
    assert "**Candidate:** ab c\n" in shown
    assert exported.strip() == shown.strip()
    assert "\x1b" not in shown
    for command in (("show", "one", "--json"), ("export", "one", "--format", "json")):
        printed = typed(*command).stdout
        assert json.loads(printed)["turns"] == [turn]
        assert not {"\x1b", "\x9b"} & set(printed)


async def _with_dialogue(_: object, interview_id: str) -> dict[str, Any]:
    turn = {"job_id": "AJ_1", "seq": 7, "speaker": "candidate", "text": "Go.", "interrupted": False}
    question = {
        "question_id": "q1",
        "text": "Which language do you like?",
        "status": "answered",
        "reason": None,
        "answer": "Go.",
        "turns": [{"job_id": "AJ_1", "seq": 7}],
    }
    return {
        "interview_id": interview_id,
        "room": "r",
        "status": "ended",
        "outcome": "stopped",
        "reason": "CandidateStopped",
        "jobs": ["AJ_1"],
        "turns": [turn],
        "dialogue": [{"kind": "event", "name": "grab", "t": 3.0}],
        "questions": [question],
    }


def test_an_export_has_the_questions_and_no_record_of_the_dialogue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "interview_as_data", _with_dialogue)
    shown = json.loads(typed("show", "one", "--json").stdout)
    exported = json.loads(typed("export", "one", "--format", "json").stdout)
    assert shown.pop("dialogue")
    assert exported == shown
    assert exported["questions"][0]["status"] == "answered"
