"""Custom applications on the job lifecycle, in a real room."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.live.heard import heard_by
from tests.support.live.one_question import ALL_THE_WAY, is_running, new_room
from tests.support.live.waiting import PATIENCE_S
from tests.support.paths import REPOSITORY
from worker.simulation.voice import LocalVoice

if TYPE_CHECKING:
    from tests.support.live.running_worker import StartWorker

EXAMPLES = REPOSITORY / "examples"


async def test_the_receptionist_greets_repeats_and_ends_once_alone(
    start_worker: StartWorker,
) -> None:
    settings = {"PYTHONPATH": str(EXAMPLES), "INTERVIEW_APPLICATION": "receptionist:Receptionist"}
    worker = await start_worker(settings)
    room = new_room()
    async with worker.candidate(room) as visitor:
        await worker.dispatch(room, "")
        await visitor.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        assert "welcome" in await heard_by(visitor)
        greeted_s = visitor.now_s
        await visitor.say(*await LocalVoice().render("I have brought a parcel for the kitchen."))
        await visitor.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        repeated = await heard_by(visitor, since_s=greeted_s)
        assert "you said" in repeated
        assert "parcel" in repeated
        await worker.job(room, until=is_running)
    job = await worker.ended_job(room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.WORK_DONE)
    assert job.exit_code == 0


@pytest.mark.row("B3")
async def test_an_application_that_cannot_be_created_apologises_to_the_candidate(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    (tmp_path / "broken_agent.py").write_text("def make(dispatch, settings):\n    return 1 / 0\n")
    settings = {"PYTHONPATH": str(tmp_path), "INTERVIEW_APPLICATION": "broken_agent:make"}
    worker = await start_worker(settings)
    room = new_room()
    async with worker.candidate(room) as visitor:
        await worker.dispatch(room, "")
        await visitor.wait_for_interviewer(timeout_s=PATIENCE_S)
        await visitor.wait_until_alone(timeout_s=PATIENCE_S)
        assert "sorry" in await heard_by(visitor)
    job = await worker.ended_job(room)
    assert_path(job, "HANDSHAKE", "CONNECTED", "CLOSING", "CLOSED")
    assert_outcome(job, Outcome.FAILED, Reason.JOB_CRASHED)
    assert [fault["error"] for fault in job.faults] == ["ZeroDivisionError"]
    assert job.exit_code == 1
