"""A TTS that dies in the middle of an interview: the candidate is informed, reads and types."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from states import Outcome, Reason, Status
from states.testing import assert_condition, assert_outcome, assert_path
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.live.chat import Chat
from tests.support.live.heard import heard_by
from tests.support.live.one_question import ALL_THE_WAY, ANSWER
from tests.support.live.one_question import PLAN as ONE_QUESTION
from tests.support.live.running_worker import RunningWorker, StartWorker
from tests.support.live.waiting import PATIENCE_S, eventually
from worker.interview.plan.plan import Question
from worker.simulation.voice import LocalVoice

pytestmark = pytest.mark.usefixtures("voices")

NEXT = Question(id="next", text="And what will you learn next week?", follow_ups_allowed=0)
TYPED = "I will learn how to write to somebody who has lost their voice."
PLAN = replace(ONE_QUESTION, questions=(*ONE_QUESTION.questions, NEXT))

#: Limit in seconds for silence under any fault: the stuck-turn recovery starts at 5 s
#: (INTERVIEW_LADDER_S), plus one second for a shared machine.
LONGEST_SILENCE_S = 6.0


@pytest.mark.rotates
@pytest.mark.row("B6")
async def test_a_half_open_tts_is_replaced_by_a_clip_and_text(
    start_worker: StartWorker,
) -> None:
    async with AsyncExitStack() as stack:
        elevenlabs = await stack.enter_async_context(ElevenLabsStandIn())
        address = urlsplit(elevenlabs.base_url)
        line = await stack.enter_async_context(TcpProxy("127.0.0.1", address.port))
        worker = await start_worker(
            {
                "INTERVIEW_TTS": "elevenlabs",
                # The TTS itself is under test, so the cache must not replace it.
                "INTERVIEW_PREPARED_SPEECH": "0",
                **elevenlabs.environment,
                elevenlabs.url_variable: f"http://{line.host}:{line.port}{address.path}",
            }
        )
        await _interview(worker, line)


async def _interview(worker: RunningWorker, voice: TcpProxy) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        chat = Chat(candidate)
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        voice.stall()
        spoken = await candidate.say(*await LocalVoice().render(ANSWER))
        heard_from_s = await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await eventually(lambda: NEXT.text in chat.texts, "the next question, as text")
        await candidate.send_text(TYPED)
        await eventually(lambda: PLAN.closing in chat.texts, "the closing, as text")
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
        heard = await heard_by(candidate, since_s=spoken.end_s)
    thinking_s = PLAN.questions[0].thinking_pause_s
    assert heard_from_s - spoken.end_s < thinking_s + LONGEST_SILENCE_S
    assert "trouble speaking" in heard
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert_condition(job, "tts", Status.LOST)
    rungs = [fault["rung"] for fault in job.faults if "rung" in fault]
    assert rungs[-1] == "write"
    question, answer, closing = job.turns[-3:]
    assert (question.text, question.heard) == (NEXT.text, "")
    assert answer.text == TYPED
    assert (closing.text, closing.heard) == (PLAN.closing, "")
