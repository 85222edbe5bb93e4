"""The energy gate that replaces a VAD that did not load."""

from __future__ import annotations

import numpy as np
from livekit.agents.vad import VADEvent, VADEventType

from tests.support.virtual.speech_helpers import STT_RATE, frames, noise
from worker.speech.vad.energy import EnergyVAD

ANSWER = "I worked on a payments service for three years."


async def changes(pcm: np.ndarray, *, sample_rate: int = STT_RATE) -> list[VADEvent]:
    """Return the gate's start-of-speech and end-of-speech events."""
    stream = EnergyVAD().stream()
    for frame in frames(pcm, sample_rate=sample_rate):
        stream.push_frame(frame)
    stream.end_input()
    events = [event async for event in stream if event.type is not VADEventType.INFERENCE_DONE]
    await stream.aclose()
    return events


async def test_typing_on_a_keyboard_is_not_speech() -> None:
    typing = noise(6, rms=20).astype(np.float64)
    click = noise(0.02, rms=12_000) * np.exp(-np.arange(320) / 80)
    for start in range(0, len(typing) - 320, STT_RATE // 4):
        typing[start : start + 320] += click

    assert await changes(typing.clip(-32768, 32767).astype(np.int16)) == []


async def test_a_starting_fan_counts_as_speech_for_only_a_few_seconds() -> None:
    start, end = await changes(np.concatenate([noise(2, rms=20), noise(8, rms=1500)]))

    assert end.timestamp - start.timestamp < 4.0
