"""Media that stops in the middle of an answer without any event, on a server that hangs."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome
from tests.support.live.coming_back import worker_alone
from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, times_in, word_error_rate, words
from tests.support.live.one_question import PLAN, is_running
from tests.support.live.running_worker import RunningWorker
from tests.support.live.waiting import PATIENCE_S
from worker.demo.script import CandidateScript
from worker.simulation.conversation import hold_conversation
from worker.simulation.livekit_server import LiveKitServer
from worker.simulation.voice import LocalVoice
from worker.store.interview_turns import turns_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.live.scenarios import Record

pytestmark = pytest.mark.usefixtures("voices")

QUESTION = PLAN.questions[0].text
FIRST_HALF = "I learned to listen before I say anything, and"
#: Words of the first half that occur in it once. The recogniser may miss some of them at the cut.
ONCE_SAID = ("learned", "listen", "before", "say", "anything")
SECOND_HALF = "I learned to write a small test before I change a program."
#: Seconds for which the server hangs: less than the SDK needs to notice (14 s).
HANGS_S = 6.0
#: Seconds from the server's resume to the interviewer's voice, on a busy machine; the goal is
#: lower.
LONGEST_ALONE_S = 8.0


@pytest.fixture
async def worker(livekit_binary: Path) -> AsyncIterator[RunningWorker]:
    """Yield a worker on its own server, which the test may stop."""
    async with worker_alone(livekit_binary, {}) as worker:
        yield worker


async def hang(server: LiveKitServer, seconds: float) -> None:
    """Suspend the server's process for `seconds` (SIGSTOP, SIGCONT)."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.rotates
async def test_an_answer_cut_by_a_hanging_server_is_kept_and_asked_again(
    worker: RunningWorker, record_property: Record
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        job = await worker.job(interview.room, until=is_running)
        speaking = asyncio.create_task(candidate.say(*await LocalVoice().render(FIRST_HALF)))
        await asyncio.sleep(2.0)
        await hang(worker.server, HANGS_S)
        goes_on_s = candidate.now_s
        await speaking
        heard_s = await candidate.wait_for_sound(since_s=goes_on_s, timeout_s=PATIENCE_S)
        record_property("alone_s", f"{heard_s - goes_on_s:.2f}")
        rest = CandidateScript(PLAN, answers={PLAN.questions[0].id: SECOND_HALF})
        await hold_conversation(candidate, rest)
        heard = await heard_by(candidate, since_s=goes_on_s)
    assert heard_s - goes_on_s < LONGEST_ALONE_S
    assert "i am back" in heard
    assert times_in(QUESTION, heard) == 1
    ended = await worker.ended_job(interview.room)
    assert ended.header["job_id"] == job.header["job_id"]
    assert_outcome(ended, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert ("candidate_audio", "NoPackets") in [
        (each["where"], each["error"]) for each in ended.faults
    ]
    async with worker.database() as database:
        turns = await turns_of(database, interview.interview_id)
    *halves, answer = [turn for turn in turns if turn.speaker == "candidate"]
    assert word_error_rate(SECOND_HALF, answer.text) <= MOST_WORD_ERRORS
    assert not answer.interrupted
    # The heard part of the first half is stored once, and does not count as the answer.
    assert all(turn.interrupted for turn in halves)
    said = " ".join(turn.text for turn in halves)
    assert "listen" in words(said)
    assert [each for each in ONCE_SAID if words(said).count(each) > 1] == []
