from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from states import (
    BUDGETS,
    Event,
    History,
    JournalError,
    MemoryJournal,
    Outcome,
    Reason,
    State,
    Status,
)
from states.testing import loaded, lost

if TYPE_CHECKING:
    from states.pytest_plugin import Journey

STORY = (
    (0.1, Event.ROOM_CONNECTED),
    (0.2, Event.BOOTSTRAP_STARTED),
    (0.3, Event.LOADER_REPORTED, loaded("orchestrator", required=True)),
    (0.4, Event.LOADER_REPORTED, lost("vad", "LoadTimeout")),
    (0.5, Event.LOADERS_SETTLED),
    (0.75, Event.SESSION_STARTED),
    (60.0, Event.RESOURCE_RECOVERED, loaded("vad")),
    (120.0, Event.INTERVIEW_COMPLETED),
    (121.0, Event.CLOSED),
)


@pytest.fixture
def records(journey: Journey) -> list[dict[str, Any]]:
    journal = MemoryJournal()
    journey(*STORY, journal=journal, header={"job_id": "job-1", "room": "room-1", "pid": 7})
    journal.append("step", 0.1, name="connect", ok=True, reason="", elapsed_ms=100.0, attempts=1)
    journal.append(
        "turn", 1.0, speaker="candidate", text="hello", question_id="q1", interrupted=False
    )
    journal.append("fault", 2.0, where="listener", error="ValueError")
    journal.append("exit", 122.0, exit_code=0, signal=None)
    return journal.records


@pytest.fixture
def history(records: list[dict[str, Any]]) -> History:
    return History.from_records(records)


def test_a_journal_is_sorted_by_kind(history: History) -> None:
    assert history.header["job_id"] == "job-1"
    assert history.path == (
        State.HANDSHAKE,
        State.CONNECTED,
        State.BOOTSTRAPPING,
        State.DEGRADED,
        State.RUNNING,
        State.CLOSING,
        State.CLOSED,
    )
    assert [x.event for x in history.internals] == [
        Event.LOADER_REPORTED,
        Event.LOADER_REPORTED,
        Event.RESOURCE_RECOVERED,
    ]
    assert history.steps[0].name == "connect"
    assert (history.turns[0].text, history.turns[0].heard) == ("hello", "")
    assert history.faults[0]["where"] == "listener"
    assert (history.exit_code, history.signal) == (0, None)


def test_a_history_has_the_jobs_end_and_the_times_of_its_states(history: History) -> None:
    assert (history.state, history.outcome, history.reason) == (
        State.CLOSED,
        Outcome.COMPLETED,
        Reason.INTERVIEW_COMPLETED,
    )
    assert history.entered(State.RUNNING) == 0.75
    assert history.entered(State.READY) is None


@pytest.mark.parametrize(
    ("exit_code", "signal", "reason"),
    [
        (-9, 9, Reason.PROCESS_KILLED),
        (3, None, Reason.PROCESS_EXITED),
        # The worker died with its job, so the exit is unknown.
        (None, None, Reason.PROCESS_EXITED),
    ],
)
@pytest.mark.parametrize("last_state", [State.HANDSHAKE, State.RUNNING, State.CLOSING])
def test_a_process_that_ended_before_its_job_was_closed_has_failed(
    records: list[dict[str, Any]],
    last_state: State,
    exit_code: int | None,
    signal: int | None,
    reason: Reason,
) -> None:
    last = next(i for i, record in enumerate(records) if record.get("to") == last_state)
    end = {"kind": "exit", "seq": last + 1, "t": 9.0, "exit_code": exit_code, "signal": signal}
    history = History.from_records([*records[: last + 1], end])
    assert (history.state, history.broke_off) == (last_state, True)
    assert (history.outcome, history.reason) == (Outcome.FAILED, reason)
    back = History.from_json(json.dumps(history.as_json()))
    assert (back.outcome, back.reason) == (Outcome.FAILED, reason)


def test_an_exit_after_closed_keeps_the_outcome(history: History) -> None:
    killed = replace(history, exit_code=-9, signal=9)
    assert not killed.broke_off
    assert killed.outcome is Outcome.COMPLETED


def test_stays_are_the_visits_with_their_durations(history: History) -> None:
    stays = history.stays()
    assert stays[0] == (State.HANDSHAKE, 0.0, 0.1)
    assert stays[4] == (State.RUNNING, 0.75, 119.25)
    assert stays[-1] == (State.CLOSED, 121.0, None)


def test_the_latest_report_on_a_resource_counts_and_all_are_kept(history: History) -> None:
    assert history.conditions["vad"].status is Status.READY
    said = [c.reason for c in history.condition_changes if c.resource == "vad"]
    assert said == ["LoadTimeout", "Loaded"]


def test_a_job_without_records_has_no_state() -> None:
    empty = History()
    assert (empty.state, empty.outcome, empty.reason, empty.stays()) == (None, None, None, ())


def test_records_may_come_in_any_order_and_more_than_once(
    records: list[dict[str, Any]], history: History
) -> None:
    assert History.from_records([*reversed(records), *records]) == history


def test_an_unknown_record_kind_of_a_later_version_is_ignored(
    records: list[dict[str, Any]], history: History
) -> None:
    records.append({"v": 1, "seq": 99, "t": 0.0, "kind": "weather"})
    assert History.from_records(records) == history


_STEP = {"kind": "step", "name": "x", "ok": True, "reason": "", "elapsed_ms": 1.0, "attempts": 1}
_TURN = {"kind": "turn", "at": "2026-01-01T00:00:00Z", "speaker": "candidate", "text": "hello"}

_CONDITION = {"kind": "condition", "resource": "vad", "status": "lost", "reason": ""}


def test_the_records_of_the_next_test_are_wrong_in_one_field_only() -> None:
    header = {"v": 1, "t": 0.0}
    read = History.from_records([{"seq": 1, **header, **_STEP}, {"seq": 2, **header, **_TURN}])
    assert (len(read.steps), len(read.turns)) == (1, 1)


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "transition", "from": "HANDSHAKE", "event": "nonsense", "to": "CONNECTED"},
        {"kind": "transition", "from": None},
        {"kind": "condition", "resource": "vad", "status": "odd", "reason": ""},
        {"kind": "condition", "resource": ["vad"], "status": "lost", "reason": ""},
        {"kind": "condition", "resource": "vad", "status": "lost", "reason": "", "message": 1},
        {"kind": "step", "name": "x", "ok": True, "reason": "", "elapsed_ms": None},
        _STEP | {"name": 1},
        _STEP | {"reason": None},
        _STEP | {"needs": "vad"},
        _STEP | {"needs": [1]},
        _STEP | {"attempts": float("inf")},
        _STEP | {"elapsed_ms": 10**400},
        _STEP | {"budget_s": 10**400},
        _STEP | {"budget_s": float("nan")},
        _STEP | {"t": 1e13},
        _CONDITION | {"since": float("inf")},
        _TURN | {"text": 1},
        _TURN | {"speaker": None},
        _TURN | {"question_id": 3},
        {"kind": "fault", "where": 1},
        {"kind": "job", "job_id": ["AJ"]},
        {"kind": "job", "pid": float("nan")},
        {"kind": "exit", "exit_code": "1", "signal": None},
        {"kind": "exit", "exit_code": 1, "signal": {}},
    ],
    ids=lambda record: record["kind"],
)
def test_a_malformed_record_is_named_in_the_error(record: dict[str, Any]) -> None:
    with pytest.raises(JournalError, match=r"record 5 \("):
        History.from_records([{"v": 1, "seq": 5, "t": 0.0, **record}])


def nested(levels: int) -> Any:
    """Return lists inside each other, more levels than the text of a value can have."""
    value: Any = "inside"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("target", ["x\n" * 50_000, "\u202e" * 50_000, nested(5000)], ids=range(3))
def test_an_error_about_a_record_is_one_short_line(target: Any) -> None:
    record = {"v": 1, "seq": 5, "t": 0.0, "kind": "transition", "from": None, "event": None}
    with pytest.raises(JournalError) as refused:
        History.from_records([record | {"to": target}])
    message = str(refused.value)
    assert message.startswith("record 5 (transition): ")
    assert message.isprintable()
    assert len(message) < 300


@pytest.mark.parametrize(
    "records", [["text"], [[]], [{"seq": [1]}], [{"seq": 1}, {"seq": "2"}]], ids=range(4)
)
def test_records_that_have_no_order_are_refused(records: list[Any]) -> None:
    with pytest.raises(JournalError, match="no object, or its seq is no number"):
        History.from_records(records)


def test_a_budget_that_is_no_number_of_seconds_is_ignored() -> None:
    budgets = {"HANDSHAKE": 2.5, "CONNECTED": "4", "READY": [], "RUNNING": 10**400, "CLOSING": -1}
    history = History(header={"budgets": budgets})
    assert history.budgets == {**BUDGETS, State.HANDSHAKE: 2.5}
    assert History(header={"budgets": 7}).budgets == BUDGETS


def test_a_record_without_a_number_is_refused() -> None:
    with pytest.raises(JournalError, match="no seq"):
        History.from_records([{"kind": "step"}])


def test_the_json_of_a_job_reads_back_as_the_same_job(history: History) -> None:
    back = History.from_json(json.dumps(history.as_json()))
    assert back.as_json() == history.as_json()
    assert back.transitions == history.transitions
    assert back.outcome is Outcome.COMPLETED


def test_the_json_of_a_job_contains_no_spoken_words(history: History) -> None:
    assert "hello" not in json.dumps(history.as_json())


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"transitions": 3}', '"job"', "null", "[" * 100_000],
    ids=range(7),
)
def test_json_that_is_not_a_job_is_refused(text: str) -> None:
    with pytest.raises(JournalError, match="not the JSON of a job"):
        History.from_json(text)
