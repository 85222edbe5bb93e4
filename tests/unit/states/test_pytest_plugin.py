from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from states import (
    Event,
    FileJournal,
    History,
    IllegalTransition,
    Outcome,
    Reason,
    State,
    Status,
)
from states.testing import (
    assert_condition,
    assert_entered,
    assert_outcome,
    assert_path,
    assert_refused,
    history_of,
    journey,
    on,
    run_virtual,
)
from tests.support.virtual.journeys import DEGRADED_AND_BACK

if TYPE_CHECKING:
    from pathlib import Path

    from states.pytest_plugin import StartLifecycle


@pytest.fixture(scope="module")
def history() -> History:
    """Return the path HANDSHAKE CONNECTED BOOTSTRAPPING DEGRADED READY DEGRADED RUNNING."""
    return journey(*DEGRADED_AND_BACK)


# --- the other assertions ------------------------------------------------------------------------


@pytest.mark.row("C7")
def test_time_to_a_state_counts_from_the_receipt_or_from_another_state(
    history: History,
) -> None:
    assert assert_entered(history, "RUNNING", within_s=1.5) == 1.5
    assert assert_entered(history, State.RUNNING, since="CONNECTED") == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"state": "RUNNING", "within_s": 0.8}, "1.500 s after the job was received, not within"),
        ({"state": "CLOSED"}, "CLOSED was never entered"),
        ({"state": "CONNECTED", "since": "RUNNING"}, "not entered after RUNNING"),
        ({"state": "RUNNING", "since": "CLOSING"}, "not entered after CLOSING"),
        ({"state": "RUNNING", "since": "DEGRADED", "within_s": 0.1}, "after DEGRADED was entered"),
    ],
)
def test_a_state_entered_late_or_never_is_shown(
    history: History, arguments: dict[str, object], says: str
) -> None:
    with pytest.raises(AssertionError, match=says) as caught:
        assert_entered(history, **arguments)  # type: ignore[arg-type]  # by name, case by case
    assert "session_started" in str(caught.value)


@pytest.mark.row("C7")
def test_an_outcome_is_asserted_with_or_without_its_reason() -> None:
    history = journey(until_s=11.0)
    assert_outcome(history, "failed")
    assert_outcome(history, Outcome.FAILED, Reason.HANDSHAKE_TIMEOUT)
    with pytest.raises(AssertionError, match=r"the outcome is not failed \(RoomLost\)"):
        assert_outcome(history, Outcome.FAILED, "RoomLost")
    with pytest.raises(AssertionError, match="the outcome is not completed"):
        assert_outcome(history, Outcome.COMPLETED)


@pytest.mark.row("C7")
def test_a_condition_is_asserted_with_or_without_its_reason(history: History) -> None:
    assert_condition(history, "vad", Status.READY)
    assert_condition(history, "tts", "lost", "Refused")
    with pytest.raises(AssertionError, match=r"tts is lost \(Refused\), not lost \(Silent\)"):
        assert_condition(history, "tts", Status.LOST, "Silent")
    with pytest.raises(AssertionError, match="no condition was reported for stt, not ready"):
        assert_condition(history, "stt", Status.READY)


@pytest.mark.row("C7")
async def test_a_refusal_is_asserted_and_returned(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    refusal = await assert_refused(job, Event.SESSION_STARTED)
    assert refusal.event is Event.SESSION_STARTED
    with pytest.raises(AssertionError, match="room_connected was not refused in HANDSHAKE"):
        await assert_refused(job, "room_connected")


# --- subjects ------------------------------------------------------------------------------------


async def test_a_live_lifecycle_is_a_subject(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    await job.fire(Event.ROOM_CONNECTED)
    assert_path(job, "HANDSHAKE", "CONNECTED")


def test_a_journal_and_what_jobs_show_prints_are_subjects(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "job.jsonl")
    history = journey(*DEGRADED_AND_BACK, journal=journal)
    journal.close()
    printed = json.dumps(history.as_json())
    (tmp_path / "job.json").write_text(printed)
    for subject in (
        tmp_path / "job.jsonl",
        str(tmp_path / "job.jsonl"),
        tmp_path / "job.json",
        printed,
        history.as_json(),
    ):
        assert history_of(subject).transitions == history.transitions
        assert_path(subject, ..., "RUNNING")


# --- virtual time --------------------------------------------------------------------------------


@pytest.mark.row("C7")
def test_hours_pass_at_once_on_the_loops_clock_only() -> None:
    async def sleep() -> float:
        await asyncio.sleep(3600.0)
        return asyncio.get_running_loop().time()

    assert run_virtual(sleep()) == 3600.0


def test_waiting_for_an_event_that_never_comes_ends_in_an_error() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="idle"):
        run_virtual(wait(), idle_timeout_s=0.01)


async def test_a_journey_is_refused_inside_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="use the lifecycle fixture"):
        journey()


@pytest.mark.parametrize(
    ("times", "until_s"), [((1.0, 0.5), None), ((1.0, 2.0), 1.5)], ids=["entries", "until"]
)
def test_a_journey_goes_forward_in_time(times: tuple[float, ...], until_s: float | None) -> None:
    with pytest.raises(ValueError, match="in order of time"):
        journey(*((at, Event.SHUTDOWN_REQUESTED) for at in times), until_s=until_s)


def test_a_journey_stops_at_an_event_that_is_not_allowed() -> None:
    with pytest.raises(IllegalTransition):
        journey((0.1, Event.SESSION_STARTED))


def test_at_the_instant_a_budget_ends_the_budget_comes_first() -> None:
    history = journey((10.0, Event.ROOM_CONNECTED))
    assert_path(history, "HANDSHAKE", on("budget_spent", "CLOSING"))
