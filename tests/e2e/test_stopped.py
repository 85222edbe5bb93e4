"""A suspended job is replaced, and stays silent when it resumes: on real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from tests.support.live.coming_back import (
    LONGEST_ALONE_S,
    alone_after,
    is_over,
    roles_of,
    successor,
)
from tests.support.live.one_question import PLAN, SCRIPT, is_running
from tests.support.live.waiting import PATIENCE_S, eventually
from worker.simulation.conversation import hold_conversation

if TYPE_CHECKING:
    from tests.support.live.running_worker import RunningWorker
    from tests.support.live.scenarios import Record

pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.xdist_group("returning_worker")]


async def test_a_suspended_interviewer_is_replaced_and_stays_mute_when_resumed(
    returning_worker: RunningWorker, record_property: Record
) -> None:
    worker = returning_worker
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        first = await worker.job(interview.room, until=is_running)
        stopped_s = candidate.now_s
        os.kill(first.header["pid"], signal.SIGSTOP)
        alone_s = await alone_after(candidate, stopped_s)
        record_property("alone_s", f"{alone_s:.2f}")
        assert alone_s < LONGEST_ALONE_S
        second = await successor(worker, interview, first)
        assert second.header["follows_why"] == "LeaseExpired"
        talking = asyncio.create_task(hold_conversation(candidate, SCRIPT))
        os.kill(first.header["pid"], signal.SIGCONT)
        await talking
    assert await is_over(worker, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert await roles_of(worker, interview) == ["opening", "repeat", "answer", "closing"]
    zombie = await eventually(
        lambda: next(
            (
                each
                for each in worker.histories(interview.room)
                if each.header["job_id"] == first.header["job_id"] and each.exited
            ),
            None,
        ),
        "the end of the suspended job",
    )
    # The resumed job said nothing.
    assert len(zombie.turns) == len(first.turns)
    assert (zombie.outcome, zombie.reason) in [
        (Outcome.SUPERSEDED, Reason.LEASE_LOST),
        # The server's notice of removal arrived first.
        (Outcome.CANCELLED, Reason.ROOM_DELETED),
    ]
