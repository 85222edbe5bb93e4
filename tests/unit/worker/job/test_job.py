"""One job's life, on virtual time, with a real journal and without LiveKit."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from states import BUDGETS, Condition, Event, Outcome, Reason, State, Status
from states.testing import (
    assert_condition,
    assert_entered,
    assert_outcome,
    assert_path,
    on,
)
from tests.support.virtual.async_steps import after, broken, for_ever
from tests.support.virtual.job_parts import TinyApplication, rig, run_for_ever
from tests.support.virtual.resource_parts import resource
from worker.clips.recordings import ClipName
from worker.resources.resource import LoadFailed

if TYPE_CHECKING:
    from pathlib import Path

    from worker.job.handle import JobHandle

pytestmark = pytest.mark.looptime

TO_RUNNING = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING")


# --- the regular course -------------------------------------------------------------------------


@pytest.mark.row("C1", "S4")
async def test_a_completed_job_journals_its_whole_path(tmp_path: Path) -> None:
    async def close(_: object) -> None: ...

    held = rig(
        tmp_path,
        TinyApplication(declared=[resource("orchestrator", required=True, close=close)]),
    )
    assert await held.live() is Outcome.COMPLETED

    assert_path(held.path, *TO_RUNNING, "CLOSING", "CLOSED")
    assert_outcome(held.path, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert_condition(held.path, "orchestrator", Status.READY, "Loaded")
    assert [step.name for step in held.history.steps] == [
        "connect",
        "open_line",
        "load orchestrator",
        "start_session",
        "stop_work",
        "stop_session",
        "last_records",
        "last_words",
        "sync_journal",
        "leave_room",
        "close orchestrator",
        "close_resources",
    ]
    assert all(step.ok for step in held.history.steps)
    assert held.transport.did == ["connect", "open_line", "start_session", "leave"]


async def test_the_journal_header_identifies_the_job(tmp_path: Path) -> None:
    held = rig(tmp_path)
    await held.live()
    assert held.history.header["job_id"] == "AJ_test"
    assert held.history.header["interview_id"] == "iv-1"
    assert held.history.header["room"] == "room-1"
    assert held.history.header["worker_id"] == "AW_test"
    assert held.history.header["pid"] == os.getpid()


@pytest.mark.row("S5", "S8")
async def test_the_four_start_up_lines_are_logged_in_order_with_their_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held = rig(tmp_path)
    held.transport.on_connect = after(0.2)
    held.transport.on_start_session = after(0.3)
    await held.live()

    names = ("handshake_start", "ctx_connected", "session_started", "init_done")
    lines = [vars(record) for record in caplog.records]
    assert [(x["event"], x["elapsed_ms"]) for x in lines if x.get("event") in names] == [
        ("handshake_start", 0.0),
        ("ctx_connected", 200.0),
        ("session_started", 500.0),
        ("init_done", 500.0),
    ]


@pytest.mark.row("S8")
@pytest.mark.parametrize(
    ("seconds", "level"), [(1.0, logging.INFO), (1.1, logging.WARNING)], ids=["in time", "slow"]
)
async def test_a_start_of_more_than_a_second_is_logged_as_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: float, level: int
) -> None:
    caplog.set_level(logging.INFO)
    held = rig(tmp_path)
    held.transport.on_start_session = after(seconds)
    await held.live()
    line = next(record for record in caplog.records if vars(record).get("event") == "init_done")
    assert line.levelno == level


@pytest.mark.row("S2", "S4")
async def test_nothing_loads_before_the_end_of_the_handshake(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource()]))
    held.transport.on_connect = after(1.0)
    await held.live()
    assert held.step("load engine").t == pytest.approx(1.0)


# --- the handshake ------------------------------------------------------------------------------


@pytest.mark.row("S4")
async def test_a_refused_connection_ends_the_job_before_anything_loads(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource()]))
    held.transport.on_connect = broken
    assert await held.live() is Outcome.FAILED
    assert_path(held.path, "HANDSHAKE", "CLOSING", "CLOSED")
    assert_outcome(held.path, Outcome.FAILED, Reason.HANDSHAKE_FAILED)
    assert held.step("connect").reason == "ValueError"
    assert held.transport.did == ["connect", "leave"]


@pytest.mark.row("C2")
async def test_a_room_that_does_not_respond_ends_the_job_after_the_handshake_budget(
    tmp_path: Path,
) -> None:
    held = rig(tmp_path, INTERVIEW_BUDGET_HANDSHAKE_S=3)
    held.transport.on_connect = for_ever
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.HANDSHAKE_TIMEOUT)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(3)
    assert held.step("connect").reason == "Cancelled"


# --- loading ------------------------------------------------------------------------------------


@pytest.mark.row("C4", "S6")
@pytest.mark.parametrize(
    ("event", "outcome", "reason"),
    [
        (None, Outcome.FAILED, Reason.RESOURCE_FAILED),
        (Event.ORCHESTRATOR_FAILED, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED),
        (Event.METADATA_INVALID, Outcome.FAILED, Reason.METADATA_INVALID),
        (Event.INTERVIEW_UNKNOWN, Outcome.FAILED, Reason.INTERVIEW_UNKNOWN),
        (Event.INTERVIEW_OVER, Outcome.CANCELLED, Reason.INTERVIEW_ALREADY_OVER),
    ],
)
async def test_a_failed_required_resource_ends_the_job_immediately_with_its_reason(
    tmp_path: Path, event: Event | None, outcome: Outcome, reason: Reason
) -> None:
    async def load() -> None:
        raise LoadFailed("Gone", "it is gone", event=event)

    declared = [resource("orchestrator", required=True, load=load), resource(load=for_ever)]
    held = rig(tmp_path, TinyApplication(declared=declared))
    assert await held.live() is outcome
    assert_path(held.path, "HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "CLOSING", "CLOSED")
    assert_outcome(held.path, outcome, reason)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(0)
    assert "start_session" not in held.transport.did


@pytest.mark.row("B8")
async def test_the_apology_waits_for_an_audio_output_that_is_still_opening(tmp_path: Path) -> None:
    """The orchestrator may fail within a millisecond, before the candidate can hear anything."""

    async def load() -> None:
        raise LoadFailed("Gone")

    held = rig(
        tmp_path,
        TinyApplication(
            declared=[resource(required=True, load=load)], words_at_the_end=ClipName.CANNOT_GO_ON
        ),
    )
    held.transport.on_open_line = after(0.5)
    await held.live()
    assert held.transport.line.played == [ClipName.CANNOT_GO_ON]
    assert held.step("last_words").ok


@pytest.mark.row("C2")
async def test_a_hung_required_resource_is_limited_by_the_budget_of_bootstrapping(
    tmp_path: Path,
) -> None:
    declared = [resource("orchestrator", required=True, load=for_ever)]
    held = rig(tmp_path, TinyApplication(declared=declared))
    await held.live()
    assert_outcome(held.path, Outcome.FAILED, Reason.BOOTSTRAP_TIMEOUT)
    entered = assert_entered(held.path, State.CLOSING, since=State.BOOTSTRAPPING)
    assert entered == pytest.approx(BUDGETS[State.BOOTSTRAPPING])


@pytest.mark.row("C1", "S3")
async def test_an_interview_runs_without_an_optional_resource(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource("vad", load=broken)]))
    assert await held.live() is Outcome.COMPLETED
    assert_path(
        held.path,
        *("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "DEGRADED", "RUNNING", "CLOSING", "CLOSED"),
    )
    assert_condition(held.path, "vad", Status.LOST, "ValueError")


async def test_all_resources_are_journalled_as_pending_before_any_has_loaded(
    tmp_path: Path,
) -> None:
    declared = [resource("orchestrator", required=True, load=for_ever), resource("vad")]
    held = rig(tmp_path, TinyApplication(declared=declared))
    await held.live()
    assert_condition(held.path, "orchestrator", Status.PENDING, "Loading")
    said = [(c.resource, c.status, c.required) for c in held.history.condition_changes[:2]]
    assert said == [("orchestrator", Status.PENDING, True), ("vad", Status.PENDING, False)]


async def test_an_audio_output_that_hangs_while_opening_ends_the_job_after_the_budget(
    tmp_path: Path,
) -> None:
    held = rig(tmp_path)
    held.transport.on_open_line = for_ever
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_START_TIMEOUT)


async def test_an_audio_output_that_does_not_open_ends_the_job(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.transport.on_open_line = broken
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.JOB_CRASHED)


# --- the session and the work -------------------------------------------------------------------


async def test_a_session_that_does_not_start_ends_the_job(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.transport.on_start_session = broken
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)
    assert held.app.session.closed == 1
    assert [f["error"] for f in held.history.faults] == ["ValueError"]


async def test_an_application_that_cannot_create_its_session_ends_the_job(tmp_path: Path) -> None:
    def refuse() -> None:
        raise KeyError("no session")

    held = rig(tmp_path, TinyApplication(on_session=refuse))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)


@pytest.mark.row("C2")
async def test_a_session_that_hangs_while_starting_ends_the_job_after_the_budget(
    tmp_path: Path,
) -> None:
    held = rig(tmp_path)
    held.transport.on_start_session = for_ever
    await held.live()
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_START_TIMEOUT)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(BUDGETS[State.READY])


async def test_a_session_that_closes_unexpectedly_ends_the_job(tmp_path: Path) -> None:
    """The framework would leave the candidate alone in the room."""

    async def run(_: JobHandle) -> None:
        held.app.session.close_by_itself()
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)


async def test_an_application_that_raises_fails_the_job_without_quoting_its_message(
    tmp_path: Path,
) -> None:
    async def run(_: JobHandle) -> None:
        await broken()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.JOB_CRASHED)
    assert [(f["where"], f["error"]) for f in held.history.faults] == [("job", "ValueError")]
    assert "Lovelace" not in held.path.read_text()


async def test_a_run_that_returns_without_an_event_completes_the_job(tmp_path: Path) -> None:
    async def run(_: JobHandle) -> None: ...

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.COMPLETED
    assert_path(held.path, *TO_RUNNING, on("work_done", "CLOSING"), "CLOSED")
    assert_outcome(held.path, Outcome.COMPLETED, Reason.WORK_DONE)


@pytest.mark.row("C2")
async def test_an_interview_at_its_time_limit_ends_as_completed(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(on_run=run_for_ever))
    assert await held.live() is Outcome.COMPLETED
    assert_outcome(held.path, Outcome.COMPLETED, Reason.TIME_LIMIT_REACHED)


async def test_a_turn_is_journalled_with_its_text_and_question(tmp_path: Path) -> None:
    async def run(job: JobHandle) -> None:
        await job.keep_turn(speaker="candidate", text="Hello.", question_id="q1")
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, TinyApplication(on_run=run))
    await held.live()
    assert [(t.speaker, t.text, t.question_id) for t in held.history.turns] == [
        ("candidate", "Hello.", "q1")
    ]


async def test_a_resource_lost_while_running_is_a_condition_and_does_not_end_the_job(
    tmp_path: Path,
) -> None:
    async def run(job: JobHandle) -> None:
        job.report(Condition(resource="stt", status=Status.LOST, reason="Deaf"))
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, TinyApplication(declared=[resource("stt")], on_run=run))
    assert await held.live() is Outcome.COMPLETED
    assert_condition(held.path, "stt", Status.LOST, "Deaf")
