"""Typed messages as they arrive: limits, and what becomes of the words."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from hypothesis import given

from states import MemoryJournal
from states._record_line import encoded
from tests.fuzz.budget import examples
from tests.fuzz.promises import Logged, assert_has_none_of, within_time
from tests.fuzz.strategies.chat import TYPED, Typed, conversations, texts
from tests.support.virtual.interview_parts import plan_of
from tests.support.virtual.virtual_loop import VirtualLoop
from worker.cli.tables import printable
from worker.interview.conversation.typed_messages import (
    CHARACTERS,
    LONGEST_TYPED,
    MESSAGES,
    REFUSED,
    TypedMessages,
)
from worker.interview.llm.prompt import MAX_CHARACTERS, prompt_for
from worker.interview.orchestrator import CommittedTurn, leeway, next_move
from worker.store.journal_rows import json_text, record_row

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The times are sums of floats.
ROUNDING: Final = 0.001


@dataclass
class Outcome:
    """What became of a candidate's messages."""

    seconds: float = 0.0
    admitted: int = 0
    refused: int = 0
    answers: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)


async def type_all(messages: Sequence[Typed]) -> Outcome:
    """Type messages on virtual time."""
    outcome = Outcome()

    async def write(text: str) -> None:
        outcome.shown.append(text)

    def count(refused: int) -> None:
        outcome.refused += refused

    typed = TypedMessages(write, count)
    for each in messages:
        await asyncio.sleep(each.after_s)
        outcome.seconds += each.after_s
        if each.taken_before:
            outcome.answers.append(typed.take())
        outcome.admitted += typed.admit(each.text)
    outcome.answers.append(typed.take())
    assert not typed.waiting
    typed.stop()
    await asyncio.sleep(0)
    return outcome


@given(conversations())
@examples(16)
def test_the_words_that_are_kept_are_bounded_and_nothing_is_lost_without_a_count(
    messages: list[Typed],
) -> None:
    logged = Logged()
    with logged, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        outcome = within_time(
            lambda: runner.run(type_all(messages)), size=sum(len(each.text) for each in messages)
        )
    with_words = sum(bool(each.text.strip()) for each in messages)
    assert outcome.admitted + outcome.refused <= len(messages)
    assert outcome.admitted + outcome.refused >= sum(TYPED in each.text for each in messages)
    assert outcome.admitted <= with_words
    assert outcome.admitted <= MESSAGES[0] + MESSAGES[1] * outcome.seconds + ROUNDING
    characters = sum(map(len, outcome.answers))
    most = CHARACTERS[0] + CHARACTERS[1] * outcome.seconds + ROUNDING
    assert characters <= most + outcome.admitted  # and a line break between two messages
    assert set(outcome.shown) <= {REFUSED}
    assert_has_none_of(logged.text, (TYPED,))


@given(texts())
@examples(24)
def test_a_typed_answer_is_one_line_of_the_journal_and_data_everywhere_else(text: str) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        message = Typed(after_s=0.0, text=text, taken_before=False)
        (answer,) = runner.run(type_all([message])).answers
    assert len(answer) <= LONGEST_TYPED
    record = MemoryJournal().append(
        "turn", 1.0, speaker="candidate", text=answer, question_id="q0", interrupted=False
    )
    line = encoded(record)[1]
    assert line.count(b"\n") == 1
    row = record_row(json.loads(line))
    assert "\0" not in row.record["text"]
    assert json_text(row.record).encode()
    assert printable(answer).isprintable()


@given(texts())
@examples(16)
def test_a_typed_answer_moves_the_interview_on_and_stays_inside_its_place_in_the_prompt(
    text: str,
) -> None:
    plan, at = plan_of(), datetime(2026, 3, 1, tzinfo=UTC)
    opening = next_move(plan, [])
    turns = [
        CommittedTurn(
            speaker="interviewer",
            text=opening.text,
            at=at,
            question_id=opening.question_id,
            role=opening.role,
            generated=opening.text,
        ),
        CommittedTurn(speaker="candidate", text=text, at=at, question_id=opening.question_id),
    ]
    allowed = within_time(lambda: leeway(plan, turns), size=len(text))
    assert (allowed.move.question_id == "q0") == (not text.split())
    prompt = prompt_for(plan, allowed)
    assert len(prompt.system) + len(prompt.user) <= MAX_CHARACTERS
    assert prompt.user.count("<answer>") == prompt.user.count("</answer>") == 1
    assert prompt.user.startswith("<answer>")
    assert prompt.user.endswith("</answer>")
    assert "\n" not in prompt.user
