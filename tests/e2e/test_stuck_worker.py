"""A worker whose main process is stuck: in a call, under a running interview, or at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from tests.support.live.coming_back import (
    COMES_BACK,
    LONGEST_ALONE_S,
    has_asked,
    identity_of,
    is_over,
    roles_of,
    successor,
)
from tests.support.live.heard import heard_by
from tests.support.live.one_question import PLAN, SCRIPT
from tests.support.live.running_worker import database_elsewhere
from tests.support.live.waiting import PATIENCE_S, eventually
from tests.support.paths import REPOSITORY
from worker.simulation.conversation import hold_conversation

if TYPE_CHECKING:
    from tests.support.live.running_worker import StartWorker
    from tests.support.live.scenarios import Record

pytestmark = pytest.mark.usefixtures("voices")

#: Folder with a sitecustomize.py that blocks the process on demand.
CAN_BE_STUCK = str(REPOSITORY / "tests/support/live/stuck")


@pytest.mark.alone
@pytest.mark.rotates
async def test_a_stuck_worker_ends_itself_and_hands_over_its_interview(
    start_worker: StartWorker, record_property: Record, tmp_path: Path
) -> None:
    flag = tmp_path / "stuck"
    async with database_elsewhere() as database:
        # No repeated question while an answer takes long.
        patient = {"INTERVIEW_CANDIDATE_SILENCE_S": "600"}
        shared = {**COMES_BACK, **patient, "DATABASE_URL": database}
        stuck = await start_worker({**shared, "PYTHONPATH": CAN_BE_STUCK, "STUCK_WHILE": str(flag)})
        interview = await stuck.create(PLAN)
        async with stuck.candidate_of(interview) as candidate:
            await stuck.send_interviewer(interview)
            first = await stuck.job(interview.room, until=has_asked)
            name = {"INTERVIEW_AGENT_NAME": stuck.agent_name}
            other = await start_worker({**shared, **name})
            flag.touch()
            await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
            # Until the worker exits, its job continues and no other interviewer joins.
            assert await stuck.exited() == 1
            gone_s = candidate.now_s
            second = await successor(other, interview)
            record_property("followed_s", f"{candidate.now_s - gone_s:.2f}")
            assert candidate.now_s - gone_s < LONGEST_ALONE_S
            assert second.header["follows_job"] == first.header["job_id"]
            await hold_conversation(candidate, SCRIPT, interviewer=identity_of(second))
            assert "i am back" in await heard_by(candidate, since_s=gone_s)
        assert await is_over(other, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
        assert await roles_of(other, interview) == ["opening", "repeat", "answer", "closing"]
        (said,) = stuck.log(level="critical")
        assert "the event loop is permanently blocked by" in said["message"]
        assert "sitecustomize:wait_for:" in said["message"]
        await stuck.nothing_left()
        (before,) = await eventually(
            lambda: [each for each in stuck.histories(interview.room) if each.outcome],
            "the end of the first job",
        )
        assert before.outcome is Outcome.HANDED_OVER


@pytest.mark.rotates
async def test_a_worker_that_hangs_at_its_end_is_ended_and_names_what_was_left(
    start_worker: StartWorker,
) -> None:
    never_ends = {"PYTHONPATH": CAN_BE_STUCK, "NEVER_ENDS": "1"}
    worker = await start_worker({**never_ends, "INTERVIEW_CLEANUP_S": "1"})
    assert await worker.stop() == 1
    (said,) = worker.log(level="critical")
    assert "did not stop within 37 s and is ended now; still running: " in said["message"]
    assert said["message"].endswith("disk")
    await worker.nothing_left()
