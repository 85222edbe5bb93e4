"""Answers with a part that a provider transcribes late: each answer is one turn with all words.

Whole interviews, as in test_three_moments. The framework ends a turn by the clock. A provider that
receives buffered speech transcribes it later than it was spoken.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome
from tests.support.virtual.moments import BROKEN, LOST, ROLES, assert_nothing_was_lost
from tests.support.virtual.provider_fakes import HANGS, in_turn
from tests.support.virtual.stt_fakes import quiet
from tests.support.virtual.whole_interview import PLAN, WORDS, WholeInterview

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.looptime

ANSWERS = [
    " ".join(str(n * WORDS + word) for word in range(1, WORDS + 1))
    for n in range(len(PLAN.questions))
]
#: Words of the first half of the first answer.
HALF = " ".join(ANSWERS[0].split()[: WORDS // 2])


@pytest.fixture
def interview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], WholeInterview]:
    return lambda: WholeInterview(tmp_path, monkeypatch)


def answers(held: WholeInterview) -> list[str]:
    return [turn["text"] for turn in held.turns if turn["speaker"] == "candidate"]


def pause(held: WholeInterview) -> None:
    """Let the candidate pause: long enough for speech-to-text to end a phrase, not for the VAD."""
    held.transport.microphone.queued[:0] = quiet(0.4)


def lose(held: WholeInterview, name: str, fate: BaseException) -> None:
    held.ears[name].fate = in_turn(fate)


async def test_an_answer_that_the_second_provider_transcribes_in_two_phrases_is_one_turn(
    interview: Any,
) -> None:
    """The pause that ends a turn is over when the first phrase is transcribed."""
    held = interview()
    held.ears["second"].delay_s = 1.5

    def lose_first() -> None:
        pause(held)
        lose(held, "first", HANGS)

    held.in_answer[0] = lose_first
    await held.held()

    assert answers(held) == ANSWERS
    assert_nothing_was_lost(held)


async def test_an_answer_that_all_providers_missed_is_one_turn_after_their_recovery(
    interview: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = interview()
    # The candidate keeps speaking instead of typing.
    monkeypatch.setattr(WholeInterview, "_is_asked_to_type", False)
    for ear in held.ears.values():
        ear.delay_s = 0.25

    def recover() -> None:
        for ear in held.ears.values():
            ear.fate = in_turn(None)

    def lose_all() -> None:
        pause(held)
        for name in held.ears:
            lose(held, name, BROKEN)
        # Three seconds after the end of the answer.
        asyncio.get_running_loop().call_later(5.9, recover)

    held.in_answer[1] = lose_all
    await held.held()

    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert (LOST, "NoProviderLeft") in held.said_of("stt")
    assert answers(held) == ANSWERS
    assert held.roles == ROLES


async def test_an_answer_whose_second_half_another_provider_transcribes_is_one_turn(
    interview: Any,
) -> None:
    """The first provider has transcribed the first half, and fails at the end of the second."""
    held = interview()
    held.ears["second"].delay_s = 1.8

    def lose_first_at_the_end() -> None:
        pause(held)
        asyncio.get_running_loop().call_later(2.8, lose, held, "first", BROKEN)

    held.in_answer[0] = lose_first_at_the_end
    await held.held()

    assert answers(held) == ANSWERS
    assert_nothing_was_lost(held)


async def test_an_answer_whose_second_half_a_slow_provider_transcribes_late_is_one_turn(
    interview: Any,
) -> None:
    """The provider hears the answer live. The pause that ends a turn is over before its text."""
    held = interview()
    ear = held.ears["first"]

    def slow_down() -> None:
        pause(held)
        asyncio.get_running_loop().call_later(1.0, setattr, ear, "delay_s", 1.8)

    held.in_answer[0] = slow_down
    await held.held()

    assert answers(held) == ANSWERS
    assert_nothing_was_lost(held)


async def test_a_second_half_that_no_provider_understands_does_not_hold_the_answer_for_ever(
    interview: Any,
) -> None:
    held = interview()
    held.ears["second"].deaf = True

    def understand() -> None:
        held.ears["first"].fate = in_turn(None)
        held.ears["second"].deaf = False

    def lose_both() -> None:
        pause(held)
        loop = asyncio.get_running_loop()
        loop.call_later(2.8, lose, held, "first", BROKEN)
        # After the answer has ended.
        loop.call_later(8.0, understand)

    held.in_answer[0] = lose_both
    await held.held()

    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert answers(held)[0] == HALF
    assert held.roles == ROLES
    spoken_until = held.turns[0]["t"] + 0.5 + WORDS / 2 + 0.4
    assert held.turns[1]["t"] - spoken_until < 6.0
