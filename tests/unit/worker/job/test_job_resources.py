"""A job's handling and reporting of its resources, whatever fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from states import Outcome, Reason
from tests.support.virtual.async_steps import broken, done, for_ever
from tests.support.virtual.job_parts import Rig, TinyApplication, rig, run_for_ever
from tests.support.virtual.resource_parts import resource
from worker.resources.resource import LoadFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


async def crashes(_: object) -> None:
    raise ValueError


def a_session_that_cannot_be_made() -> None:
    raise ValueError


async def never_a_plan() -> None:
    raise LoadFailed("Gone")


@pytest.mark.row("S4")
@pytest.mark.looptime
@pytest.mark.parametrize(
    ("broken_part", "reason"),
    [
        ({"open_line": broken}, Reason.JOB_CRASHED),
        ({"start_session": broken}, Reason.SESSION_FAILED),
        ({"start_session": for_ever}, Reason.SESSION_START_TIMEOUT),
        ({"leave": broken}, Reason.INTERVIEW_COMPLETED),
        ({"leave": for_ever}, Reason.INTERVIEW_COMPLETED),
        ({"required": never_a_plan}, Reason.RESOURCE_FAILED),
        ({"required": for_ever}, Reason.BOOTSTRAP_TIMEOUT),
        ({"session": a_session_that_cannot_be_made}, Reason.SESSION_FAILED),
        ({"run": crashes}, Reason.JOB_CRASHED),
        ({"run": run_for_ever}, Reason.TIME_LIMIT_REACHED),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value.value,
)
async def test_resources_are_closed_even_if_other_parts_raise_or_hang(
    tmp_path: Path, broken_part: dict[str, Any], reason: Reason
) -> None:
    closed: list[object] = []

    async def close(value: object) -> None:
        closed.append(value)

    job = _job_with(tmp_path, broken_part, close)
    await job.live()
    await job.transport.line.aclose()
    assert job.job.life.reason is reason
    assert closed == ["engine"]


def _job_with(
    folder: Path, broken_part: dict[str, Any], close: Callable[[object], Awaitable[None]]
) -> Rig:
    app = TinyApplication(
        declared=[
            resource("plan", required=True, load=broken_part.get("required", done)),
            resource("engine", close=close),
        ]
    )
    app.on_run = broken_part.get("run", app.on_run)
    app.on_session = broken_part.get("session", app.on_session)
    made = rig(folder, app)
    for part in ("open_line", "start_session", "leave"):
        setattr(made.transport, f"on_{part}", broken_part.get(part, done))
    return made


@pytest.mark.row("S6")
@pytest.mark.looptime
async def test_a_failed_orchestrator_is_one_clear_error_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def never() -> None:
        raise LoadFailed(
            "PlanUnavailable", "the database is unavailable, and the dispatch has no plan"
        )

    declared = [resource("orchestrator", required=True, load=never)]
    held = rig(tmp_path, TinyApplication(declared=declared))
    assert await held.live() is Outcome.FAILED
    errors = [line.getMessage() for line in caplog.records if line.levelno >= logging.ERROR]
    assert errors == [
        "required resource orchestrator failed to load:"
        " the database is unavailable, and the dispatch has no plan"
    ]


@pytest.mark.row("S6")
@pytest.mark.looptime
async def test_a_failed_optional_resource_is_a_warning_that_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource("stt", load=broken)]))
    assert await held.live() is Outcome.COMPLETED
    told = [
        (line.levelno, line.getMessage()) for line in caplog.records if "stt" in line.getMessage()
    ]
    assert told == [(logging.WARNING, "loading the resource stt failed: ValueError")]
