"""An event loop that blocks in the middle of an interview: the candidate hears a filler clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.live.heard import heard_by
from tests.support.live.one_question import ALL_THE_WAY, ANSWER, PLAN
from tests.support.live.scenarios import Record
from tests.support.live.waiting import PATIENCE_S
from worker.simulation.voice import LocalVoice

if TYPE_CHECKING:
    from tests.support.live.running_worker import StartWorker

pytestmark = pytest.mark.usefixtures("voices")

BLOCKED_S = 5.0


@pytest.mark.rotates
async def test_a_clip_plays_while_the_event_loop_is_blocked_and_the_interview_continues(
    start_worker: StartWorker, record_property: Record
) -> None:
    worker = await start_worker(
        {
            "INTERVIEW_ALLOW_FAULTS": "1",
            # The greeting is the first turn, the reply to the candidate the second.
            "INTERVIEW_FAULTS": f"loop=slow:{BLOCKED_S:g}@2",
        }
    )
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        spoken = await candidate.say(*await LocalVoice().render(ANSWER))
        heard_from_s = await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
        heard = await heard_by(candidate, since_s=spoken.end_s)
    waited_s = heard_from_s - spoken.end_s
    record_property("waited_s", f"{waited_s:.2f}")
    assert "one moment" in heard
    assert "goodbye" in heard.replace("good bye", "goodbye").replace("-", "")
    # The turn starts after the pause that ends an answer; the loop is free BLOCKED_S later.
    assert waited_s < PLAN.questions[0].thinking_pause_s + BLOCKED_S

    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    (fault,) = [each for each in job.faults if each["where"] == "loop"]
    assert fault["error"] == "LoopStalled"
    assert fault["call"].startswith("worker.faults:_strike_blocking:")
    assert BLOCKED_S - 0.5 < fault["stalled_s"] < BLOCKED_S + 2
    assert fault["said"] == 1
    assert job.turns[-1].heard == PLAN.closing
