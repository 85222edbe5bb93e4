"""Whole interviews whose VAD dies: each answer is stored once and whole, whatever ends the turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.virtual.moments import BACK, LOST, READY, ROLES
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
Fate = Literal["raises", "ends", "hangs"]
REASONS = {"raises": "VADFailed", "ends": "VADEnded", "hangs": "VADSilent"}
#: Seconds from the middle of an answer: the middle itself, the last word, after the STT's end of
#: speech, after the VAD's end of speech, in the silence that ends the turn.
MOMENTS_S = (0.0, 2.4, 2.7, 2.9, 3.3)


@pytest.fixture
def interview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], WholeInterview]:
    return lambda: WholeInterview(tmp_path, monkeypatch)


def later(seconds: float, held: WholeInterview, fate: Fate | Literal["works"]) -> Any:
    """Return a function that sets the VAD's fate `seconds` after its call."""
    loop = asyncio.get_running_loop()
    return lambda: loop.call_later(seconds, setattr, held.detector, "fate", fate)


def answers(held: WholeInterview) -> list[str]:
    return [turn["text"] for turn in held.turns if turn["speaker"] == "candidate"]


def assert_went_well(held: WholeInterview) -> None:
    assert_path(held.history, *READY)
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert answers(held) == ANSWERS
    assert held.roles == ROLES


@pytest.mark.parametrize("moment_s", MOMENTS_S)
@pytest.mark.parametrize("fate", ["raises", "ends", "hangs"])
async def test_losing_the_vad_in_an_answer_keeps_that_and_the_next_answer_once(
    interview: Any, fate: Fate, moment_s: float
) -> None:
    held = interview()
    held.in_answer[0] = later(moment_s, held, fate)
    await held.held()

    assert_went_well(held)
    assert held.said_of("vad") == [(BACK, "Loaded"), (LOST, REASONS[fate])]


async def test_losing_the_vad_does_not_split_a_partly_transcribed_answer(
    interview: Any,
) -> None:
    held = interview()

    def pause_and_lose() -> None:
        # Long enough for the STT to end a phrase, too short for the VAD.
        held.transport.microphone.queued[:0] = quiet(0.45)
        later(0.8, held, "raises")()

    held.in_answer[0] = pause_and_lose
    await held.held()

    assert_went_well(held)


@pytest.mark.parametrize("moment_s", MOMENTS_S)
async def test_a_recovered_vad_ends_the_turns_again(interview: Any, moment_s: float) -> None:
    held = interview()
    loop = asyncio.get_running_loop()

    def lose() -> None:
        later(moment_s, held, "raises")()
        loop.call_later(moment_s + 0.3, setattr, held.detector, "fate", "works")

    held.in_answer[0] = lose
    modes: list[Any] = []
    held.in_answer[2] = lambda: modes.append(held.job.session.turn_detection)
    await held.held()

    assert_went_well(held)
    assert held.said_of("vad") == [(BACK, "Loaded"), (LOST, "VADFailed"), (BACK, "Recovered")]
    assert modes == ["vad"]


@pytest.mark.row("B2")
@pytest.mark.parametrize("seconds", [3, 4, 5, 6, 7, 8, 9, 10, 11])
async def test_a_late_vad_ends_turns_from_its_arrival_on(interview: Any, seconds: int) -> None:
    """The point of the answer at which the VAD arrives does not matter."""
    held = interview()
    modes: list[Any] = []
    held.in_answer[2] = lambda: modes.append(held.job.session.turn_detection)
    await held.held(f"load.vad=slow:{seconds}")

    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert answers(held) == ANSWERS
    assert held.said_of("vad") == [(LOST, "LoadTimeout"), (BACK, "Loaded")]
    assert modes == ["vad"]


async def test_a_late_vad_may_be_lost_again(interview: Any) -> None:
    held = interview()
    held.in_answer[1] = later(0.0, held, "raises")
    await held.held("load.vad=slow:3")

    assert answers(held) == ANSWERS
    assert held.said_of("vad")[1:] == [(BACK, "Loaded"), (LOST, "VADFailed")]
