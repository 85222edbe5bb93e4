"""Requests, questions and refusals of the candidate: none of them is an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conversation.texts import (
    A0,
    A1,
    A2,
    ANSWERS_THE_LAST,
    ANSWERS_THE_REST,
    EACH_ANSWER,
    FOLLOW_UP,
    Q0,
    Q1,
    Q2,
    plan,
)
from tests.support.conversation.expectations import Completed, Heard, NeverHeard, Stored
from tests.support.conversation.held import Conversation, Row, table
from tests.support.conversation.microphone import Acoustics
from tests.support.conversation.steps import Hears, HearsALine, HearsNot, Insists, Says

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

NO_OTHER_ACT = "every turn of the candidate counts as an answer"
LATER = "And I was also the one who wrote the tests for all of it."
#: Answers that contain words of requests, such as "repeat".
TOLD = (
    "I asked him to repeat the question and then we skipped that part of the test suite.",
    "I stopped the service and told my manager that we should end the whole project early.",
    "Let me think of it as a queue in which every message waits for the one before.",
)


@table(
    Row(
        name="a candidate who asks for the question once more hears it once more",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says("Could you say the question once more?")),
            *(Hears(Q0, within_s=15), Says(A0), ANSWERS_THE_REST),
        ),
        expects=(Heard(Q0, times=2), Heard(Q1, times=1), *EACH_ANSWER, Completed()),
    ),
    Row(
        name="a question is also repeated for a candidate on the telephone",
        plan=plan(),
        acoustics=Acoustics(telephone=True),
        steps=(
            *(Hears(Q0), Says(A0), Hears(Q1), Says("Sorry, can you repeat that?")),
            *(Hears(Q1, within_s=15), Says(A1), ANSWERS_THE_LAST),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name='a candidate who asks only "Sorry?" hears the question again',
        plan=plan(),
        steps=(
            *(Hears(Q0), Says("Sorry?")),
            *(Hears(Q0, within_s=15), Says(A0), ANSWERS_THE_REST),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="a request after an answer is fulfilled and the answer is kept",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(f"{A0} Sorry, could you say the question once more?")),
            *(Hears(Q0, within_s=15), Says(LATER), ANSWERS_THE_REST),
        ),
        expects=(Stored("q0", A0, LATER), *EACH_ANSWER[1:], Completed()),
    ),
    Row(
        name="a candidate who asks for a moment gets it",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says("Let me think for a moment.")),
            *(HearsNot((Q1,), for_s=7), Says(A0), ANSWERS_THE_REST),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="a candidate who asks for a minute is not asked the next question for half a minute",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says("Give me a minute to think, please.")),
            *(HearsNot((Q1,), for_s=30), Says(A0), ANSWERS_THE_REST),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="a skipped question has no follow-up",
        plan=plan(follow_ups=[FOLLOW_UP]),
        steps=(
            *(Hears(Q0), Says("Can we skip this one, please?")),
            *(Insists("Yes, please skip it.", until=Q1), Says(A1), ANSWERS_THE_LAST),
        ),
        expects=(NeverHeard(FOLLOW_UP), *EACH_ANSWER[1:]),
    ),
    Row(
        name="a question that the candidate wants to come back to is asked again at the end",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says("Can I come back to that one later?")),
            *(ANSWERS_THE_REST, Hears(Q0, within_s=15), Says(A0)),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="a candidate who has no answer is not asked a follow-up",
        plan=plan(follow_ups=[FOLLOW_UP]),
        steps=(
            *(Hears(Q0), Says("I don't know.")),
            *(Insists("I really have no idea.", until=Q1), Says(A1), ANSWERS_THE_LAST),
        ),
        expects=(NeverHeard(FOLLOW_UP), *EACH_ANSWER[1:]),
    ),
    Row(
        name="a candidate who asks what the question means still answers that question",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says("Do you mean a project at work or may it be a private one?")),
            *(HearsALine(), Says(A0), ANSWERS_THE_REST),
        ),
        expects=(Heard(Q1, times=1), *EACH_ANSWER, Completed()),
    ),
    *(
        Row(
            name=f"an answer is an answer: {told}",
            plan=plan(),
            steps=(Hears(Q0), Says(told), ANSWERS_THE_REST),
            expects=(
                *(Heard(question, times=1) for question in (Q0, Q1, Q2)),
                *(Stored("q0", told), Stored("q1", A1), Stored("q2", A2), Completed()),
            ),
        )
        for told in TOLD
    ),
)
async def test_conversation(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Conversation(row, tmp_path, monkeypatch).check()
