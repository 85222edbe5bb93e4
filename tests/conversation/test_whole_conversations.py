"""Conversations in which nothing is difficult."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conversation.texts import A0, A1, A2, ANSWERS, CLOSING, OPENING, Q0, Q1, Q2, QUESTIONS, plan
from tests.support.conversation.acoustics import Timbre
from tests.support.conversation.expectations import Completed, Heard, HeardBefore, Stored
from tests.support.conversation.held import Conversation, Row, table
from tests.support.conversation.microphone import Acoustics
from tests.support.conversation.steps import Answers, Hears, Makes, Says, Types

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

EACH_ANSWER = (Stored("q0", A0), Stored("q1", A1), Stored("q2", A2))


@table(
    Row(
        name="every question is heard once and every answer is stored under its question",
        plan=plan(),
        steps=(Answers(QUESTIONS, ANSWERS), Hears(CLOSING)),
        expects=(
            HeardBefore(OPENING, Q0),
            *(Heard(question, times=1, longest_gap_s=0.3) for question in QUESTIONS),
            *EACH_ANSWER,
            Completed(),
        ),
    ),
)
async def test_conversation(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Conversation(row, tmp_path, monkeypatch).check()
