"""Microphones that are missing, candidates who come, leave and return, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conversation.texts import (
    A0,
    ANSWERS_ALL,
    ANSWERS_THE_REST,
    CLOSING,
    EACH_ANSWER,
    Q0,
    Q1,
    QUESTIONS,
    plan,
)
from tests.support.conversation.expectations import (
    Completed,
    EndedByItself,
    Heard,
    HeardBefore,
    NeverHeard,
    NotCompleted,
    StaysOpen,
    Stored,
)
from tests.support.conversation.held import Conversation, Row, table
from tests.support.conversation.steps import (
    Hears,
    HearsALine,
    HearsWord,
    Leaves,
    Mutes,
    Publishes,
    Reads,
    Returns,
    Says,
    Waits,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

START = "the sound is not checked at the start"
AFTER_CLOSING = "a question of the candidate after the closing gets no answer"
FIRST = "I rebuilt the billing system of a small bank"
REST = "and then I moved all of its customers with two colleagues in one year."
WHEN = "When will I hear from the company about this job?"


@table(
    Row(
        name="a candidate who is muted at the start hears and reads what is wrong within 8 s",
        plan=plan(),
        steps=(
            *(Mutes(), HearsWord(1, of="microphone", within_s=8), Reads("microphone", within_s=1)),
            *(Reads("type", within_s=1), Mutes(False), ANSWERS_ALL),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="a candidate without a microphone hears and reads what is wrong within 8 s",
        plan=plan(),
        steps=(
            Publishes(published=False),
            *(HearsWord(1, of="microphone", within_s=8), Reads("microphone", within_s=1)),
            *(Publishes(published=True), ANSWERS_ALL),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="the sound is checked before the first question",
        gap=START,
        plan=plan(),
        steps=(ANSWERS_ALL,),
        expects=(HeardBefore("hear me", Q0), *EACH_ANSWER, Completed()),
    ),
    Row(
        name="a candidate who comes within the time is greeted and asked everything",
        plan=plan(),
        late=True,
        steps=(Waits(20), Returns(), ANSWERS_ALL),
        expects=(*(Heard(question, times=1) for question in QUESTIONS), *EACH_ANSWER, Completed()),
    ),
    Row(
        name="the interview of a candidate who comes too late stays open",
        plan=plan(),
        late=True,
        settings={"INTERVIEW_CANDIDATE_JOIN_S": 20},
        steps=(Waits(15),),
        expects=(NotCompleted(), EndedByItself(), StaysOpen()),
    ),
    Row(
        name="half an answer is kept when the candidate leaves and joined after the return",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(FIRST), Leaves(), Waits(10), Returns()),
            *(Hears(Q0), Says(REST), ANSWERS_THE_REST),
        ),
        expects=(Stored("q0", FIRST, REST), *EACH_ANSWER[1:], Completed()),
    ),
    Row(
        name="a candidate who returns within the grace is welcomed back",
        plan=plan(),
        steps=(
            *(
                Hears(Q0),
                Leaves(),
                Waits(10),
                Returns(),
                HearsWord(2, of="Welcome back", within_s=5),
            ),
            *(Hears(Q0), Says(A0), ANSWERS_THE_REST),
        ),
        expects=(NeverHeard("we were interrupted"), *EACH_ANSWER, Completed()),
    ),
    Row(
        name="the interview of a candidate who stays away beyond the grace stays open",
        plan=plan(),
        steps=(Hears(Q0), Says(A0), Hears(Q1), Leaves(), Waits(45)),
        expects=(EACH_ANSWER[0], NotCompleted(), EndedByItself(), StaysOpen()),
    ),
    Row(
        name="a question over the goodbye gets an answer",
        gap=AFTER_CLOSING,
        plan=plan(),
        steps=(ANSWERS_ALL, HearsWord(12, of=CLOSING), Says(WHEN), HearsALine(within_s=10)),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="a question right after the goodbye gets an answer",
        gap=AFTER_CLOSING,
        plan=plan(),
        steps=(ANSWERS_ALL, Hears(CLOSING), Says(WHEN), HearsALine(within_s=10)),
        expects=(*EACH_ANSWER, Completed()),
    ),
)
async def test_conversation(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Conversation(row, tmp_path, monkeypatch).check()
