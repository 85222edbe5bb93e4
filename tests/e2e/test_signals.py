"""Signals that reach more than the worker's main process, and a killed main process."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.live.heard import heard_by
from tests.support.live.one_question import ALL_THE_WAY, PLAN, SCRIPT, is_running
from tests.support.live.waiting import PATIENCE_S
from worker.simulation.conversation import hold_conversation

if TYPE_CHECKING:
    from tests.support.live.running_worker import StartWorker


@pytest.mark.row("C5")
@pytest.mark.usefixtures("signals_heeded")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
async def test_a_signal_to_the_whole_process_group_drains_and_ends_no_interview(
    start_worker: StartWorker, number: signal.Signals
) -> None:
    """Systemd's KillMode=control-group, a closed terminal and `kill -- -PGID` signal the group."""
    worker = await start_worker({"INTERVIEW_DRAIN_S": "120"})
    assert worker.process is not None
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await worker.job(interview.room, until=is_running)
        os.killpg(worker.process.pid, number)
        await worker.logged("worker_draining")
        await hold_conversation(candidate, SCRIPT)
    assert await worker.exited() == 0
    (job,) = worker.histories(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert (job.exit_code, job.signal) == (0, None)
    await worker.nothing_left()


async def test_a_job_whose_worker_was_killed_apologises_leaves_and_records_its_end(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker({})
    assert worker.process is not None
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        told_s = candidate.now_s
        worker.process.kill()
        # LiveKit itself needs 22 s to detect a participant that vanished.
        await candidate.wait_until_alone(timeout_s=15)
        assert "sorry" in await heard_by(candidate, since_s=told_s)
        assert await worker.participants(interview.room) == [interview.candidate_identity]
    await worker.nothing_left()
    (job,) = worker.histories(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.FAILED, Reason.WORKER_LOST)
    # The embedded database stops after its last worker, so these two steps may fail.
    assert {step.name for step in job.steps if not step.ok} <= {"ship", "release_lease"}
