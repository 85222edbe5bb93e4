"""Pauses, silence, long talk, and how soon the interviewer speaks."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from tests.conversation.texts import (
    A0,
    A1,
    ANSWERS_THE_LAST,
    ANSWERS_THE_REST,
    EACH_ANSWER,
    Q0,
    Q1,
    plan,
)
from tests.support.conversation.expectations import (
    Completed,
    EndedByItself,
    Heard,
    NotCompleted,
    StaysOpen,
    Stored,
)
from tests.support.conversation.held import Conversation, Row, table
from tests.support.conversation.steps import (
    Hears,
    HearsALine,
    HearsNot,
    IsAnsweredWithin,
    IsSilencedWithin,
    Says,
    TalksOn,
    Waits,
    numbered_sentences,
)
from tests.support.virtual.model_parts import says

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

PAUSE = "a pause ends the answer, and what follows belongs to the next question"
LATE = "the interviewer answers late"
FIRST = "I rebuilt the billing system of a small bank."
OPEN = "I rebuilt the billing system of a small bank and then"
REST = "I moved all of its customers with two colleagues in one year."
IN_TWO = (Stored("q0", FIRST, REST), *EACH_ANSWER[1:], Completed())


@table(
    *(
        Row(
            name=f"a pause of {pause} s is a part of the answer",
            plan=plan(),
            steps=(Hears(Q0), Says(FIRST), HearsNot((Q1,), pause), Says(REST), ANSWERS_THE_REST),
            expects=(Heard(Q1, times=1), *IN_TWO),
        )
        for pause in (1.0, 1.5)
    ),
    Row(
        name="both halves of an answer with a pause of 2.6 s belong to its question",
        plan=plan(),
        steps=(Hears(Q0), Says(FIRST), Waits(2.6), Says(REST), ANSWERS_THE_REST),
        expects=IN_TWO,
    ),
    Row(
        name="a question that the candidate talks into after a pause is withdrawn at once",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(FIRST), Waits(2.6), Says(REST)),
            # 0.3 s, and the length of one frame.
            IsSilencedWithin(0.35, at_word_end=False),
        ),
    ),
    Row(
        name="a pause of 4 s inside a phrase is a part of the answer",
        gap=PAUSE,
        plan=plan(),
        steps=(Hears(Q0), Says(OPEN), HearsNot((Q1,), 4.0), Says(REST), ANSWERS_THE_REST),
        expects=(Stored("q0", OPEN, REST), *EACH_ANSWER[1:], Completed()),
    ),
    Row(
        name="a candidate who says that they are still there has not answered",
        plan=plan(),
        steps=(
            *(Hears(Q0), HearsALine(within_s=60), Says("Yes, I am still here.")),
            *(HearsNot((Q1,), for_s=8), Says(A0), ANSWERS_THE_REST),
        ),
        expects=(Heard(Q1, times=1), *EACH_ANSWER, Completed()),
    ),
    Row(
        name="a candidate who is silent for 20 s hears something",
        plan=plan(),
        steps=(Hears(Q0), HearsALine(within_s=20), Says(A0), ANSWERS_THE_REST),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="a candidate who is silent for a minute hears that typing works",
        plan=plan(),
        steps=(Hears(Q0), Hears("type", within_s=60), Says(A0), ANSWERS_THE_REST),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="an interview whose candidate stays silent stays open",
        plan=plan(),
        steps=(Hears(Q0), Waits(120)),
        expects=(NotCompleted(), EndedByItself(), StaysOpen()),
    ),
    Row(
        name="a candidate who talks for longer than the question's time is led on",
        gap="a candidate who talks for too long is not led on",
        plan=plan(longest_time_s=60),
        steps=(Hears(Q0), TalksOn(earliest_s=60, latest_s=92), ANSWERS_THE_REST),
        expects=(
            Stored("q0", *islice(numbered_sentences(), 8)),
            *(*EACH_ANSWER[1:], Completed()),
        ),
    ),
    Row(
        name="an answer that says that it is over is followed within 1.3 s",
        gap=LATE,
        plan=plan(),
        steps=(Hears(Q0), Says(f"{A0} That's it."), IsAnsweredWithin(1.3)),
    ),
    Row(
        name="a language model of 0.8 s costs at most half a second more",
        plan=plan(),
        model=says(0.8, "ACKNOWLEDGE: Thank you, you rebuilt a billing system."),
        steps=(Hears(Q0), Says(A0), IsAnsweredWithin(2.4)),
    ),
    Row(
        name="the next question follows an answer within 2.11 s",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(A0), IsAnsweredWithin(2.11), Hears(Q1)),
            *(Says(A1), IsAnsweredWithin(2.11), ANSWERS_THE_LAST),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
)
async def test_conversation(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Conversation(row, tmp_path, monkeypatch).check()
