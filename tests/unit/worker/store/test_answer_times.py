"""The patience with a database server that answers slowly."""

from __future__ import annotations

import asyncio

import pytest

from worker.store.answer_times import AnswerTimes

pytestmark = pytest.mark.looptime


async def test_the_usual_limit_applies_while_the_server_answers_fast() -> None:
    answers = AnswerTimes(5.0)
    assert answers.patience_s(1.0) == 1.0
    answers.note(0.02)
    answers.note_opening(0.12)
    assert answers.patience_s(1.0) == 1.0


async def test_a_slow_answer_makes_the_limit_twice_as_long_as_the_answer() -> None:
    answers = AnswerTimes(5.0)
    answers.note(0.9)
    answers.note(0.1)
    assert answers.patience_s(1.0) == pytest.approx(1.8)


async def test_an_opening_counts_as_an_answer_of_half_its_time() -> None:
    answers = AnswerTimes(5.0)
    answers.note_opening(3.0)
    assert answers.patience_s(1.0) == pytest.approx(3.0)


async def test_the_limit_does_not_grow_without_end() -> None:
    answers = AnswerTimes(5.0)
    answers.note(60.0)
    assert answers.patience_s(1.0) == 5.0
    assert answers.patience_s(8.0) == 8.0


async def test_a_slow_answer_is_forgotten_after_some_seconds() -> None:
    answers = AnswerTimes(5.0)
    answers.note(2.0)
    await asyncio.sleep(9.0)
    assert answers.patience_s(1.0) == 4.0
    await asyncio.sleep(1.0)
    assert answers.patience_s(1.0) == 1.0
    answers.note(0.6)
    assert answers.patience_s(1.0) == pytest.approx(1.2)
