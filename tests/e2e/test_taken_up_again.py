"""An interview that was cut off by a worker's shutdown and continues with another interviewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome
from tests.support.live.one_question import PLAN, SCRIPT, is_running
from tests.support.live.running_worker import StartWorker, command
from tests.support.live.waiting import PATIENCE_S, eventually
from worker.cli.common import ExitCode
from worker.simulation.conversation import hold_conversation

if TYPE_CHECKING:
    from tests.support.live.running_worker import RunningWorker
    from worker.store.interviews import Interview


async def progress_of(worker: RunningWorker, interview: Interview) -> tuple[str, str, str]:
    shown = await worker.command_json("interviews", "show", interview.interview_id)
    return shown["status"], shown["outcome"], shown["reason"]


@pytest.mark.rotates
async def test_an_interview_cut_off_by_a_deploy_continues_with_the_next_worker(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker({"INTERVIEW_DRAIN_S": "0"})
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        assert await worker.stop() == 0
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
    (first,) = worker.histories(interview.room)
    assert_outcome(first, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)
    assert await progress_of(worker, interview) == ("ended", "cancelled", "ShutdownRequested")

    await worker.delete_room(interview.room)  # as LiveKit does with an empty room after a while
    await worker.start()
    sent = await worker.command_json("interviews", "dispatch", interview.interview_id)
    assert sent["room"] == interview.room
    async with worker.candidate_of(interview) as candidate:
        second = await worker.job(
            interview.room, until=lambda job: is_running(job) and job.header != first.header
        )
        refused = command(
            *("interviews", "dispatch", interview.interview_id),
            settings=worker.settings,
            cwd=worker.folder,
        )
        assert refused.returncode == ExitCode.TAKEN
        assert f"interviewer-{second.header['job_id']} is in room" in refused.stderr
        await hold_conversation(candidate, SCRIPT)
    shipped = worker.data_dir / "journals/shipped" / f"{second.header['job_id']}.jsonl"
    await eventually(shipped.exists, "the end of the second job")
    assert await progress_of(worker, interview) == ("ended", "completed", "InterviewCompleted")

    over = command(
        *("interviews", "dispatch", interview.interview_id),
        settings=worker.settings,
        cwd=worker.folder,
    )
    assert over.returncode == ExitCode.FAILED
    (line,) = over.stderr.splitlines()
    assert "is over (completed, InterviewCompleted)" in line
