"""Whole interviews with an end-of-turn model: it waits for sentences, and its loss costs none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import pytest

from states import Outcome, Reason, Status
from states.testing import assert_outcome
from tests.support.virtual.stt_fakes import quiet
from tests.support.virtual.turn_fakes import FakeTurnModel
from tests.support.virtual.whole_interview import PLAN, WORDS, WholeInterview
from worker.resources import turn_detector
from worker.speech.turn_detector import SupervisedTurnDetector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.looptime

LOST, BACK = Status.LOST, Status.READY
ANSWERS = [
    " ".join(str(n * WORDS + word) for word in range(1, WORDS + 1))
    for n in range(len(PLAN.questions))
]


class Held(WholeInterview):
    """An interview with an end-of-turn model; records what ended the turns in each answer."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, patch)
        self.model = FakeTurnModel()
        self.ended_on: list[str] = []
        for number in range(len(PLAN.questions)):
            self.in_answer[number] = self.look

        async def load_model() -> FakeTurnModel:
            return self.model

        patch.setattr(turn_detector, "load_model", load_model)

    def look(self) -> None:
        session: Any = self.job.session
        model = isinstance(session.turn_detection, SupervisedTurnDetector)
        self.ended_on.append("model" if model else str(session.turn_detection))

    def in_first_answer(self, step: Callable[[], object]) -> None:
        def both() -> None:
            self.look()
            step()

        self.in_answer[0] = both

    async def goes_well(self, set_faults: str = "") -> None:
        await self.held(set_faults, INTERVIEW_TURN_DETECTOR="local")
        assert_outcome(self.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
        assert self.answers == ANSWERS

    @property
    def answers(self) -> list[str]:
        return [turn["text"] for turn in self.turns if turn["speaker"] == "candidate"]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Held]:
    return lambda: Held(tmp_path, monkeypatch)


def pause_in(held: Held) -> None:
    """Insert a pause mid-sentence that is longer than the silence that ends a turn."""
    held.transport.microphone.queued[:0] = quiet(3.5)


async def test_an_unfinished_sentence_does_not_end_the_turn(make: Callable[[], Held]) -> None:
    interview = make()
    interview.model.probability = 0.1
    interview.in_first_answer(lambda: pause_in(interview))
    await interview.goes_well()

    assert interview.ended_on == ["model"] * 3
    assert interview.said_of("turn_detector") == [(BACK, "Loaded")]


async def test_without_the_setting_a_pause_ends_the_turn(
    make: Callable[[], Held],
) -> None:
    interview = make()
    interview.in_first_answer(lambda: pause_in(interview))
    await interview.held()

    assert interview.model.asked == []
    assert interview.said_of("turn_detector") == []
    assert interview.ended_on == ["vad"] * len(interview.ended_on)
    assert interview.answers[0] == ANSWERS[0][: len(interview.answers[0])] != ANSWERS[0]


@pytest.mark.parametrize(
    ("set_faults", "reason"),
    [("load.turn_detector=raise", "FaultInjected"), ("load.turn_detector=hang", "LoadTimeout")],
)
async def test_a_turn_detector_that_fails_to_load_leaves_the_turns_to_the_vad(
    make: Callable[[], Held], set_faults: str, reason: str
) -> None:
    interview = make()
    await interview.goes_well(set_faults)

    assert interview.said_of("turn_detector") == [(LOST, reason)]
    assert "DEGRADED" in interview.history.path
    assert interview.ended_on == ["vad"] * 3


async def test_a_late_turn_detector_ends_turns_from_its_arrival_on(
    make: Callable[[], Held],
) -> None:
    interview = make()
    await interview.goes_well("load.turn_detector=slow:15")

    assert interview.said_of("turn_detector") == [(LOST, "LoadTimeout"), (BACK, "Loaded")]
    assert (interview.ended_on[0], interview.ended_on[-1]) == ("vad", "model")


@pytest.mark.parametrize(
    ("fate", "reason"), [("raises", "PredictionFailed"), ("hangs", "PredictionTimeout")]
)
async def test_a_turn_detector_lost_in_a_turn_loses_no_turn_and_recovers(
    make: Callable[[], Held], fate: Literal["raises", "hangs"], reason: str
) -> None:
    interview = make()

    def lose() -> None:
        interview.model.fate = fate
        loop = asyncio.get_running_loop()
        loop.call_later(3.5, setattr, interview.model, "fate", "works")

    interview.in_first_answer(lose)
    await interview.goes_well()

    assert interview.said_of("turn_detector") == [
        (BACK, "Loaded"),
        (LOST, reason),
        (BACK, "Recovered"),
    ]
    assert (interview.ended_on[0], interview.ended_on[-1]) == ("model", "model")


async def test_a_turn_detector_that_stays_broken_leaves_the_turns_to_the_vad(
    make: Callable[[], Held],
) -> None:
    interview = make()
    interview.in_first_answer(lambda: setattr(interview.model, "fate", "raises"))
    await interview.goes_well()

    assert interview.said_of("turn_detector")[1:] == [(LOST, "PredictionFailed")]
    assert interview.ended_on == ["model", "vad", "vad"]


async def test_a_turn_detector_without_a_vad_ends_no_turn_until_the_vad_is_back(
    make: Callable[[], Held],
) -> None:
    interview = make()

    def lose() -> None:
        interview.detector.fate = "raises"
        loop = asyncio.get_running_loop()
        loop.call_later(4.0, lambda: interview.ended_on.append(str(session().turn_detection)))
        loop.call_later(5.0, setattr, interview.detector, "fate", "works")

    def session() -> Any:
        return interview.job.session

    interview.in_first_answer(lose)
    await interview.goes_well()

    assert interview.said_of("vad")[1:] == [(LOST, "VADFailed"), (BACK, "Recovered")]
    assert interview.ended_on[:2] == ["model", "stt"]
    assert interview.ended_on[-1] == "model"
