"""The energy gate that replaces a VAD that did not load, on speech of the local TTS."""

from __future__ import annotations

import numpy as np
import pytest
from livekit.agents.vad import VADEvent, VADEventType

from tests.support.virtual.speech_helpers import STT_RATE, frames, in_room, silence, spoken
from worker.audio.frames import samples_of
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


@pytest.mark.parametrize("rms", [0.0, 20.0, 100.0], ids=["digital silence", "quiet", "fan"])
async def test_one_sentence_is_one_stretch_of_speech(rms: float) -> None:
    start, end = await changes(in_room(silence(1), spoken(ANSWER), silence(1), rms=rms))

    assert start.type is VADEventType.START_OF_SPEECH
    assert end.type is VADEventType.END_OF_SPEECH


async def test_a_start_carries_the_half_second_before_it() -> None:
    start, _ = await changes(in_room(silence(2), spoken(ANSWER), silence(1)))

    held_s = sum(frame.duration for frame in start.frames)

    assert held_s >= start.speech_duration + 0.5
    assert start.timestamp - start.speech_duration == pytest.approx(2.0, abs=0.15)


async def test_an_end_carries_all_of_the_speech() -> None:
    answer = spoken(ANSWER)

    _, end = await changes(np.concatenate([silence(1), answer, silence(1)]))

    held = np.concatenate([samples_of(frame) for frame in end.frames])
    assert np.abs(held).max() == np.abs(answer).max()
    assert end.speech_duration == pytest.approx(len(answer) / STT_RATE, abs=0.3)


async def test_a_pause_of_a_second_ends_the_speech_and_a_short_one_does_not() -> None:
    answer = spoken(ANSWER)

    apart = await changes(in_room(silence(1), answer, silence(1.0), answer, silence(1)))
    together = await changes(in_room(silence(1), answer, silence(0.2), answer, silence(1)))

    assert (len(apart), len(together)) == (4, 2)


async def test_speech_is_found_at_the_sample_rate_of_a_room() -> None:
    rate = 48_000
    pcm = in_room(
        silence(1, sample_rate=rate),
        spoken(ANSWER, sample_rate=rate),
        silence(1, sample_rate=rate),
        sample_rate=rate,
    )

    assert len(await changes(pcm, sample_rate=rate)) == 2


async def test_a_flush_discards_the_speech_in_progress() -> None:
    stream = EnergyVAD().stream()
    for frame in frames(in_room(silence(1), spoken(ANSWER))):
        stream.push_frame(frame)
    stream.flush()
    for frame in frames(silence(2)):
        stream.push_frame(frame)
    stream.end_input()

    kinds = [event.type async for event in stream]
    await stream.aclose()

    assert kinds.count(VADEventType.START_OF_SPEECH) == 1
    assert kinds.count(VADEventType.END_OF_SPEECH) == 0
