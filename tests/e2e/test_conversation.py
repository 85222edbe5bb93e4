"""What candidates say besides answers, spoken on a real server, and typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from states.testing import assert_dialogue
from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, place_of, word_error_rate
from tests.support.live.one_question import ANSWER, PLAN
from worker.simulation.conversation import Exchange, hold_conversation

if TYPE_CHECKING:
    from states import History
    from tests.support.live.running_worker import RunningWorker

pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.xdist_group("impatient_worker")]

QUESTION = PLAN.questions[0]


class Lines:
    """A candidate who says these lines, one after each utterance of the interviewer."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def is_question(self, said: str) -> bool:
        """Return True while a line is left."""
        return bool(said and self._lines)

    def answer_for(self, question: str) -> str:
        """Return the next line."""
        return self._lines.pop(0) if question else ""


async def held(worker: RunningWorker, *lines: str) -> tuple[History, list[Exchange], str]:
    """Hold an interview with a candidate who says `lines`. Return the job and what was heard."""
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        exchanges = await hold_conversation(candidate, Lines(*lines))
        heard = await heard_by(candidate)
    return await worker.ended_job(interview.room), exchanges, heard


async def test_a_request_to_repeat_and_a_request_for_time_answer_nothing(
    impatient_worker: RunningWorker,
) -> None:
    job, exchanges, heard = await held(
        impatient_worker, "Could you repeat the question, please?", "One moment, please.", ANSWER
    )
    assert [QUESTION.text in each.heard for each in exchanges] == [True, True, False, False]
    assert "time" in exchanges[2].heard
    assert place_of(PLAN.closing, heard) is not None
    assert_dialogue(job, "ARRIVING", "ASKING", "LISTENING", "WAITING", "FAREWELL", ...)
    *_, answer = (turn.text for turn in job.turns if turn.speaker == "candidate")
    assert word_error_rate(ANSWER, answer) <= MOST_WORD_ERRORS


async def test_a_candidate_who_wants_to_stop_confirms_it_and_hears_the_goodbye(
    impatient_worker: RunningWorker,
) -> None:
    job, exchanges, _ = await held(
        impatient_worker, "I would like to end the interview.", "Yes, please."
    )
    assert "end" in exchanges[1].heard
    assert exchanges[2].heard == PLAN.stopped
    assert_dialogue(job, "ARRIVING", "ASKING", "LISTENING", "CONFIRMING_END", "FAREWELL", ...)
