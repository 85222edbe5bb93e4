"""Other languages, and typing beside speaking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conversation.texts import A0, ANSWERS_THE_REST, EACH_ANSWER, Q0, Q1, plan
from tests.support.conversation.expectations import Completed, Heard, Stored
from tests.support.conversation.held import Conversation, Row, table
from tests.support.conversation.steps import Hears, HearsNot, Says, Types, Waits

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

SPANISH = "Lo siento pero prefiero hablar en español si es posible para la empresa."
SPOKEN = "The code of my largest project is public at this address."
TYPED = "https://example.com/ada/billing"


@table(
    Row(
        name="a candidate who speaks another language is asked about it",
        gap="the interviewer does not notice another language",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(SPANISH), HearsNot((Q1,), for_s=5), Hears("English", within_s=10)),
            *(Says("Yes."), Waits(4), Says(A0), ANSWERS_THE_REST),
        ),
        expects=(Heard(Q1, times=1), *EACH_ANSWER[1:], Completed()),
    ),
    Row(
        name="what is typed half a second after what is said is a part of the same answer",
        gap="typed and spoken words do not become one answer",
        plan=plan(),
        steps=(Hears(Q0), Says(SPOKEN), Waits(0.5), Types(TYPED), ANSWERS_THE_REST),
        expects=(
            *(Stored("q0", SPOKEN, TYPED), Heard(Q1, times=1)),
            *(*EACH_ANSWER[1:], Completed()),
        ),
    ),
    Row(
        name="what is said while something was just typed is a part of the same answer",
        gap="typed and spoken words do not become one answer",
        plan=plan(),
        steps=(Hears(Q0), Types(TYPED), Says(SPOKEN), ANSWERS_THE_REST),
        expects=(Stored("q0", SPOKEN, TYPED), *EACH_ANSWER[1:], Completed()),
    ),
)
async def test_conversation(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Conversation(row, tmp_path, monkeypatch).check()
