"""The wrapped end-of-turn model: its predictions, and the reported conditions when it fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from livekit.agents import inference

from tests.support.virtual.stt_fakes import quiet, sound
from tests.support.virtual.turn_fakes import FakeTurnModel
from worker import faults
from worker.audio.frames import frame_of
from worker.faults.grammar import parse
from worker.speech import turn_detector
from worker.speech.turn_detector import SAMPLE_RATE, WINDOW, SupervisedTurnDetector
from worker.transport.in_memory import FRAME_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from states import Condition

virtual = pytest.mark.looptime


@pytest.fixture(autouse=True)
def nothing_stays_armed() -> Iterator[None]:
    yield
    faults.arm(())


class Watched:
    """A wrapped model and its reported conditions."""

    def __init__(self) -> None:
        self.model = FakeTurnModel()
        self.detector = SupervisedTurnDetector(
            self.model, inference.TurnDetector(version="v1-mini")
        )
        self.detector.on_change = self.take
        self.stream = self.detector.stream()
        self.said: list[str] = []

    async def take(self, condition: Condition) -> None:
        self.said.append(f"{condition.status} {condition.reason}")

    async def probability(self) -> float:
        return (await self.stream.predict()).end_of_turn_probability

    async def aclose(self) -> None:
        await self.stream.aclose()
        await self.detector.aclose()


@pytest.fixture
async def watch() -> AsyncIterator[Any]:
    made: list[Watched] = []

    def one() -> Watched:
        made.append(Watched())
        return made[-1]

    yield one
    for each in made:
        await each.aclose()


@virtual
async def test_a_prediction_uses_the_newest_audio(watch: Any) -> None:
    watched = watch()
    for frame in (*sound(1.0, number=1), *sound(1.0, number=2), *quiet(0.2)):
        watched.stream.push_audio(frame)

    assert await watched.probability() == 0.9
    (asked,) = watched.model.asked
    assert len(asked) == WINDOW
    assert set(asked[:: round(FRAME_S * SAMPLE_RATE)]) == {2, 0}


@virtual
async def test_continued_speech_and_a_finished_turn_both_end_the_request(watch: Any) -> None:
    watched = watch()
    watched.model.fate = "hangs"
    for forget in (watched.stream.cancel_inference, watched.stream.flush, watched.stream.predict):
        asked = watched.stream.predict()
        forget()
        assert (await asked).end_of_turn_probability == 0.0
    assert watched.said == []


@virtual
@pytest.mark.parametrize(
    ("fate", "reason"), [("raises", "PredictionFailed"), ("hangs", "PredictionTimeout")]
)
async def test_a_turn_without_a_prediction_ends_and_the_loss_is_reported(
    watch: Any, fate: Literal["raises", "hangs"], reason: str
) -> None:
    watched = watch()
    watched.model.fate = fate
    began = asyncio.get_running_loop().time()

    assert await watched.probability() == 1.0
    assert asyncio.get_running_loop().time() - began <= 1.0
    assert await watched.probability() == 1.0
    await asyncio.sleep(0)
    assert watched.said == [f"lost {reason}"]


@virtual
async def test_a_failed_turn_detector_is_retried_until_it_recovers(
    watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_detector, "_RETRY", replace(turn_detector._RETRY, jitter=0.0))
    watched = watch()
    watched.model.fate = "raises"
    await watched.probability()
    await asyncio.sleep(20)
    # After 1, 2, 4 and 8 s.
    assert len(watched.model.asked) == 5
    assert not any(watched.model.asked[-1])

    watched.model.fate = "works"
    await asyncio.sleep(20)
    assert watched.said == ["lost PredictionFailed", "ready Recovered"]
    assert await watched.probability() == 0.9


@virtual
async def test_a_closed_turn_detector_is_not_retried(watch: Any) -> None:
    watched = watch()
    watched.model.fate = "raises"
    await watched.probability()
    await watched.detector.aclose()
    asked = len(watched.model.asked)
    await asyncio.sleep(100)
    await watched.probability()

    assert len(watched.model.asked) == asked
    assert watched.said == ["lost PredictionFailed"]


@virtual
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("turn_detector=raise@1", ["lost PredictionFailed", "ready Recovered"]),
        ("turn_detector=hang@1", ["lost PredictionTimeout", "ready Recovered"]),
        ("turn_detector=slow:0.5@1", []),
    ],
)
async def test_an_injected_fault_hits_a_prediction(watch: Any, fault: str, said: list[str]) -> None:
    faults.arm(parse(fault))
    watched = watch()
    await watched.probability()
    await asyncio.sleep(10)

    assert watched.said == said
    assert await watched.probability() == 0.9


@virtual
async def test_a_frame_of_another_rate_restarts_the_audio_window(watch: Any) -> None:
    watched = watch()
    for rate in (48_000, 24_000, 24_000):
        watched.stream.push_audio(frame_of(np.full(rate // 50, 1000, np.int16), rate))

    assert await watched.probability() == 0.9
