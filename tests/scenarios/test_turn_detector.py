"""The end-of-turn model that the wheel contains."""

from __future__ import annotations

import pytest
from livekit.agents import LanguageCode

from tests.support.virtual.stt_fakes import quiet, sound
from worker.resources.bootstrap import AgentResources
from worker.resources.turn_detector import turn_detector_resource


async def test_the_real_model_comes_with_the_wheel_and_makes_no_network_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_INFERENCE_URL"):
        monkeypatch.setenv(variable, "https://livekit.invalid")
    detector = await turn_detector_resource().load(AgentResources())
    stream = detector.stream()
    for frame in (*sound(1.0), *quiet(0.3)):
        stream.push_audio(frame)
    english = LanguageCode("en")

    probability = (await stream.predict()).end_of_turn_probability

    assert 0.0 < probability < 1.0
    assert detector.model == "turn-detector-v1-mini"
    assert await stream.supports_language(english)
    assert await stream.unlikely_threshold(english) == pytest.approx(0.36)
    assert await stream.backchannel_threshold(english) is None
    await stream.aclose()
    await detector.aclose()
