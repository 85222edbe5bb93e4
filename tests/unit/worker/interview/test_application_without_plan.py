"""An interview whose plan is unavailable: retries until the budget ends, then an apology."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import Outcome, Reason, Status
from states.testing import assert_condition, assert_outcome
from tests.support.virtual.job_parts import JOB_ID, Rig, TinyApplication, rig, settings_in
from worker.clips.recordings import ClipName
from worker.interview.application import InterviewApplication
from worker.job.application import Dispatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from worker.resources.resource import Resource

pytestmark = pytest.mark.looptime


class PlanAlone(InterviewApplication):
    """An interview that loads only the plan and the database."""

    def resources(self) -> Sequence[Resource]:
        return [r for r in super().resources() if r.name in ("orchestrator", "database")]


def job_of(folder: Path, metadata: dict[str, Any]) -> Rig:
    dispatch = Dispatch(job_id=JOB_ID, room="room-1", metadata=json.dumps(metadata))
    app = PlanAlone(dispatch, settings_in(folder, DATABASE_URL=""))
    return rig(folder, cast(TinyApplication, app), DATABASE_URL="")


async def test_a_missing_plan_is_retried_while_clips_play_and_ends_in_an_apology(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = job_of(tmp_path, {"interview_id": "iv-1"})

    assert await held.live() is Outcome.FAILED

    assert_outcome(held.history, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED)
    assert_condition(held.history, "orchestrator", Status.LOST, "PlanUnavailable")
    step = held.step("load orchestrator")
    assert (step.ok, step.reason) == (False, "PlanUnavailable")
    assert step.attempts > 5
    assert 10 < held.history.transitions[-2].t < 15
    moments, apology = held.transport.line.played[:-1], held.transport.line.played[-1]
    assert len(moments) >= 2
    assert set(moments) == {ClipName.ONE_MOMENT}
    assert apology == ClipName.CANNOT_GO_ON
    assert held.transport.did[-1] == "leave"
    (line,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "orchestrator" in line.getMessage()


async def test_an_invalid_plan_is_not_retried(tmp_path: Path) -> None:
    held = job_of(tmp_path, {"interview_id": "iv-1", "plan": {"title": "no questions"}})

    assert await held.live() is Outcome.FAILED

    assert_condition(held.history, "orchestrator", Status.LOST, "PlanInvalid")
    assert held.step("load orchestrator").attempts == 1
    assert held.transport.line.played == [ClipName.CANNOT_GO_ON]
