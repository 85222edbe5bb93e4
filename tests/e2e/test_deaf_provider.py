"""An open Deepgram stream that gives no transcript, in a real room: nothing has to be repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from states import Outcome, Reason, Status
from states.testing import assert_condition, assert_outcome, assert_path
from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.faults import Fault
from tests.support.live.heard import MOST_WORD_ERRORS, word_error_rate
from tests.support.live.one_question import ALL_THE_WAY, ANSWER, PLAN, SCRIPT
from tests.support.live.running_worker import StartWorker
from worker.simulation.conversation import hold_conversation

pytestmark = pytest.mark.usefixtures("voices")


@pytest.fixture
async def deepgram() -> AsyncIterator[DeepgramStandIn]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(DeepgramStandIn())


@pytest.mark.rotates
@pytest.mark.row("B7")
async def test_an_answer_without_deepgram_transcript_is_one_complete_turn(
    start_worker: StartWorker, deepgram: DeepgramStandIn
) -> None:
    worker = await start_worker({**deepgram.environment, "INTERVIEW_STT": "deepgram,local"})
    deepgram.fault(Fault.half_open(after_messages=0))

    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await hold_conversation(candidate, SCRIPT)
    history = await worker.ended_job(interview.room)
    shown = await worker.command_json("interviews", "show", interview.interview_id)

    assert_path(history, *ALL_THE_WAY)
    assert_outcome(history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert_condition(history, "stt", Status.READY, "Fallback")
    answers = [turn["text"] for turn in shown["turns"] if turn["speaker"] == "candidate"]
    assert len(answers) == 1
    assert word_error_rate(ANSWER, answers[0]) <= MOST_WORD_ERRORS
    # The failure that one job found is shared with the other jobs and the `providers` command.
    rows = await worker.command_json("providers")
    assert {row["member"]: row["reason"] for row in rows if row["chain"] == "stt"}["deepgram"] in (
        "NoText",
        "Recovered",
    )
