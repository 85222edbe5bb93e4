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
async def test_a_job_goes_its_way_and_its_journal_tells_it(tmp_path: Path) -> None:
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
    assert held.stage.did == ["connect", "open_line", "start_session", "leave"]


async def test_the_header_says_whose_journal_it_is(tmp_path: Path) -> None:
    held = rig(tmp_path)
    await held.live()
    assert held.history.header["job_id"] == "AJ_test"
    assert held.history.header["interview_id"] == "iv-1"
    assert held.history.header["room"] == "room-1"
    assert held.history.header["worker_id"] == "AW_test"
    assert held.history.header["pid"] == os.getpid()


@pytest.mark.row("S5", "S8")
async def test_the_four_start_up_lines_come_in_order_with_their_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held = rig(tmp_path)
    held.stage.on_connect = after(0.2)
    held.stage.on_start_session = after(0.3)
    await held.live()

    names = ("handshake_start", "ctx_connected", "session_started", "init_done")
    lines = [record for record in caplog.records if record.message in names]
    assert [(line.message, vars(line)["elapsed_ms"]) for line in lines] == [
        ("handshake_start", 0.0),
        ("ctx_connected", 200.0),
        ("session_started", 500.0),
        ("init_done", 500.0),
    ]


@pytest.mark.row("S8")
@pytest.mark.parametrize(
    ("seconds", "level"), [(1.0, logging.INFO), (1.1, logging.WARNING)], ids=["in time", "slow"]
)
async def test_a_start_of_more_than_a_second_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: float, level: int
) -> None:
    caplog.set_level(logging.INFO)
    held = rig(tmp_path)
    held.stage.on_start_session = after(seconds)
    await held.live()
    line = next(record for record in caplog.records if record.message == "init_done")
    assert line.levelno == level


@pytest.mark.row("S2", "S4")
async def test_nothing_loads_before_the_handshake_is_over(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource()]))
    held.stage.on_connect = after(1.0)
    await held.live()
    assert held.step("load engine").t == pytest.approx(1.0)


# --- the handshake ------------------------------------------------------------------------------


@pytest.mark.row("S4")
async def test_a_room_that_refuses_ends_the_job_and_nothing_is_loaded(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource()]))
    held.stage.on_connect = broken
    assert await held.live() is Outcome.FAILED
    assert_path(held.path, "HANDSHAKE", "CLOSING", "CLOSED")
    assert_outcome(held.path, Outcome.FAILED, Reason.HANDSHAKE_FAILED)
    assert held.step("connect").reason == "ValueError"
    assert held.stage.did == ["connect", "leave"]


@pytest.mark.row("C2")
async def test_a_room_that_does_not_answer_is_given_up_at_the_budget(tmp_path: Path) -> None:
    held = rig(tmp_path, INTERVIEW_BUDGET_HANDSHAKE_S=3)
    held.stage.on_connect = for_ever
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.HANDSHAKE_TIMEOUT)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(3)
    assert held.step("connect").reason == "Cancelled"


# --- loading ------------------------------------------------------------------------------------


@pytest.mark.row("C4", "S6")
@pytest.mark.parametrize(
    ("event", "outcome", "reason"),
    [
        (Event.ORCHESTRATOR_FAILED, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED),
        (Event.METADATA_INVALID, Outcome.FAILED, Reason.METADATA_INVALID),
        (Event.INTERVIEW_UNKNOWN, Outcome.FAILED, Reason.INTERVIEW_UNKNOWN),
        (Event.INTERVIEW_OVER, Outcome.CANCELLED, Reason.INTERVIEW_ALREADY_OVER),
    ],
)
async def test_without_what_is_required_the_job_ends_at_once_with_its_reason(
    tmp_path: Path, event: Event, outcome: Outcome, reason: Reason
) -> None:
    async def load() -> None:
        raise LoadFailed("Gone", "it is gone", event=event)

    declared = [resource("orchestrator", required=True, load=load), resource(load=for_ever)]
    held = rig(tmp_path, TinyApplication(declared=declared))
    assert await held.live() is outcome
    assert_path(held.path, "HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "CLOSING", "CLOSED")
    assert_outcome(held.path, outcome, reason)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(0)
    assert "start_session" not in held.stage.did


@pytest.mark.row("B8")
async def test_the_apology_waits_for_a_line_that_is_still_opening(tmp_path: Path) -> None:
    """The orchestrator may fail within a millisecond, before the candidate can hear anything."""

    async def load() -> None:
        raise LoadFailed("Gone")

    held = rig(
        tmp_path,
        TinyApplication(
            declared=[resource(required=True, load=load)], words_at_the_end=ClipName.CANNOT_GO_ON
        ),
    )
    held.stage.on_open_line = after(0.5)
    await held.live()
    assert held.stage.line.played == [ClipName.CANNOT_GO_ON]
    assert held.step("last_words").ok


@pytest.mark.row("C2")
async def test_what_is_required_and_hangs_is_bound_by_the_budget_of_loading(tmp_path: Path) -> None:
    declared = [resource("orchestrator", required=True, load=for_ever)]
    held = rig(tmp_path, TinyApplication(declared=declared))
    await held.live()
    assert_outcome(held.path, Outcome.FAILED, Reason.BOOTSTRAP_TIMEOUT)
    entered = assert_entered(held.path, State.CLOSING, since=State.BOOTSTRAPPING)
    assert entered == pytest.approx(BUDGETS[State.BOOTSTRAPPING])


@pytest.mark.row("C1", "S3")
async def test_an_interview_is_held_without_what_is_optional(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource("vad", load=broken)]))
    assert await held.live() is Outcome.COMPLETED
    assert_path(
        held.path,
        *("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "DEGRADED", "RUNNING", "CLOSING", "CLOSED"),
    )
    assert_condition(held.path, "vad", Status.LOST, "ValueError")


async def test_all_that_will_be_loaded_is_named_before_any_of_it_is_there(tmp_path: Path) -> None:
    declared = [resource("orchestrator", required=True, load=for_ever), resource("vad")]
    held = rig(tmp_path, TinyApplication(declared=declared))
    await held.live()
    assert_condition(held.path, "orchestrator", Status.PENDING, "Loading")
    said = [(c.resource, c.status, c.required) for c in held.history.condition_changes[:2]]
    assert said == [("orchestrator", Status.PENDING, True), ("vad", Status.PENDING, False)]


async def test_a_line_that_hangs_at_its_opening_is_given_up_at_the_budget(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.stage.on_open_line = for_ever
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_START_TIMEOUT)


async def test_a_line_that_does_not_open_ends_the_job(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.stage.on_open_line = broken
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.JOB_CRASHED)


# --- the session and the work -------------------------------------------------------------------


async def test_a_session_that_does_not_start_ends_the_job(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.stage.on_start_session = broken
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)
    assert held.app.session.closed == 1
    assert [f["error"] for f in held.history.faults] == ["ValueError"]


async def test_an_application_that_cannot_make_its_session_ends_the_job(tmp_path: Path) -> None:
    def refuse() -> None:
        raise KeyError("no session")

    held = rig(tmp_path, TinyApplication(on_session=refuse))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)


@pytest.mark.row("C2")
async def test_a_session_that_hangs_at_its_start_is_given_up_at_the_budget(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.stage.on_start_session = for_ever
    await held.live()
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_START_TIMEOUT)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(BUDGETS[State.READY])


async def test_a_session_that_closes_by_itself_ends_the_job(tmp_path: Path) -> None:
    """The framework would leave the candidate alone in the room."""

    async def run(_: JobHandle) -> None:
        held.app.session.close_by_itself()
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)


async def test_an_application_that_raises_crashes_the_job_and_quotes_nobody(tmp_path: Path) -> None:
    async def run(_: JobHandle) -> None:
        await broken()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.JOB_CRASHED)
    assert [(f["where"], f["error"]) for f in held.history.faults] == [("job", "ValueError")]
    assert "Lovelace" not in held.path.read_text()


async def test_work_that_is_over_and_names_no_end_is_a_completed_job(tmp_path: Path) -> None:
    async def run(_: JobHandle) -> None: ...

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.COMPLETED
    assert_path(held.path, *TO_RUNNING, on("work_done", "CLOSING"), "CLOSED")
    assert_outcome(held.path, Outcome.COMPLETED, Reason.WORK_DONE)


@pytest.mark.row("C2")
async def test_the_longest_interview_ends_as_a_completed_one(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(on_run=run_for_ever))
    assert await held.live() is Outcome.COMPLETED
    assert_outcome(held.path, Outcome.COMPLETED, Reason.TIME_LIMIT_REACHED)


async def test_a_turn_is_in_the_journal_with_what_was_heard(tmp_path: Path) -> None:
    async def run(job: JobHandle) -> None:
        await job.keep_turn(speaker="candidate", text="Hello.", question_id="q1")
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, TinyApplication(on_run=run))
    await held.live()
    assert [(t.speaker, t.text, t.question_id) for t in held.history.turns] == [
        ("candidate", "Hello.", "q1")
    ]


async def test_a_resource_lost_on_the_way_is_a_condition_and_no_end(tmp_path: Path) -> None:
    async def run(job: JobHandle) -> None:
        job.report(Condition(resource="stt", status=Status.LOST, reason="Deaf"))
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, TinyApplication(declared=[resource("stt")], on_run=run))
    assert await held.live() is Outcome.COMPLETED
    assert_condition(held.path, "stt", Status.LOST, "Deaf")
