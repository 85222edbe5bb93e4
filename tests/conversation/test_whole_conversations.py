"""Conversations in which nothing is difficult."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conversation.texts import (
    A0,
    A1,
    A2,
    ANSWERS_ALL,
    CLOSING,
    EACH_ANSWER,
    OPENING,
    Q0,
    Q1,
    Q2,
    QUESTIONS,
    plan,
)
from tests.support.conversation.acoustics import Timbre
from tests.support.conversation.expectations import Completed, Heard, HeardBefore
from tests.support.conversation.held import Conversation, Row, table
from tests.support.conversation.microphone import Acoustics
from tests.support.conversation.steps import Hears, HearsWord, Makes, Says, Types

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime


@table(
    Row(
        name="every question is heard once and every answer is stored under its question",
        plan=plan(),
        steps=(ANSWERS_ALL,),
        expects=(
            HeardBefore(OPENING, Q0),
            Heard(CLOSING, times=1),
            *(Heard(question, times=1, longest_gap_s=0.3) for question in QUESTIONS),
            *EACH_ANSWER,
            Completed(),
        ),
    ),
    Row(
        name="an interview on a telephone line is the same",
        plan=plan(),
        acoustics=Acoustics(telephone=True),
        steps=(ANSWERS_ALL,),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="steady noise far below the voice changes nothing",
        plan=plan(),
        acoustics=Acoustics(noise_dbfs=-50.0),
        steps=(ANSWERS_ALL,),
        expects=(*(Heard(question, times=1) for question in QUESTIONS), *EACH_ANSWER, Completed()),
    ),
    Row(
        name="typed answers are as good as spoken ones",
        plan=plan(),
        steps=(Hears(Q0), Types(A0), Hears(Q1), Types(A1), Hears(Q2), Types(A2)),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="keys that are struck over a question neither stop it nor answer it",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(A0)),
            *(HearsWord(4, of=Q1), Makes(Timbre.KEY, 2.0)),
            *(Hears(Q1), Says(A1), Hears(Q2), Says(A2)),
        ),
        expects=(Heard(Q1, times=1, longest_gap_s=0.3), *EACH_ANSWER, Completed()),
    ),
)
async def test_conversation(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Conversation(row, tmp_path, monkeypatch).check()
