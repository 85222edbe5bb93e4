"""The buffer of candidate audio, and the time within which a transcript is due."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc

from tests.support.virtual.stt_fakes import LoudnessVAD, quiet, sound
from worker.speech.stt.pending_speech import PendingSpeech, ReplayBuffer
from worker.transport.in_memory import FRAME_S

pytestmark = pytest.mark.looptime


def kept_s(buffer: ReplayBuffer) -> float:
    return sum(frame.duration for frame in buffer.frames())


async def hear(watch: PendingSpeech, frames: list[rtc.AudioFrame]) -> None:
    for frame in frames:
        watch.push(frame)
        await asyncio.sleep(FRAME_S)


async def test_the_buffer_keeps_only_the_newest_audio_up_to_its_limit() -> None:
    buffer = ReplayBuffer(longest_s=1.0)

    for frame in quiet(5.0):
        buffer.push(frame)

    assert kept_s(buffer) == pytest.approx(1.0, abs=FRAME_S)
    assert buffer.start_s == pytest.approx(4.0, abs=FRAME_S)
    assert buffer.end_s == pytest.approx(5.0)


async def test_during_silence_only_the_pre_roll_is_kept() -> None:
    watch = PendingSpeech(LoudnessVAD(), lambda: None)

    await hear(watch, quiet(10.0))

    assert kept_s(watch.buffer) == pytest.approx(0.9, abs=2 * FRAME_S)
    assert not watch.owed
    await watch.aclose()


async def test_speech_and_its_pre_roll_are_kept_until_transcribed() -> None:
    watch = PendingSpeech(LoudnessVAD(), lambda: None)

    await hear(watch, [*quiet(5.0), *sound(10.0), *quiet(5.0)])
    assert watch.owed
    assert kept_s(watch.buffer) == pytest.approx(15.9, abs=3 * FRAME_S)

    watch.understood(14.7)  # the end of the last word, as a provider reports it
    assert not watch.owed
    await hear(watch, quiet(1.0))
    assert kept_s(watch.buffer) == pytest.approx(0.9, abs=2 * FRAME_S)
    await watch.aclose()


async def test_a_transcript_of_the_first_half_leaves_the_second_pending() -> None:
    watch = PendingSpeech(LoudnessVAD(), lambda: None)
    await hear(watch, [*sound(10.0), *quiet(1.0)])

    watch.understood(5.0)

    assert watch.owed
    assert watch.buffer.start_s == pytest.approx(5.0, abs=FRAME_S)
    await watch.aclose()


async def test_a_short_word_after_the_last_transcript_is_pending() -> None:
    watch = PendingSpeech(LoudnessVAD(), lambda: None)
    await hear(watch, [*sound(2.0), *quiet(1.0)])
    watch.understood(1.9)
    assert not watch.owed

    await hear(watch, [*sound(0.4), *quiet(1.0)])

    assert watch.owed
    await watch.aclose()


async def test_a_vad_that_breaks_during_speech_is_replaced_by_loudness() -> None:
    detector = LoudnessVAD()
    watch = PendingSpeech(detector, lambda: None)
    await hear(watch, [*quiet(2.0), *sound(1.0)])
    assert watch.speaking

    detector.fate = "raises"
    await hear(watch, quiet(1.0))
    assert not watch.speaking
    await hear(watch, sound(1.0))

    assert watch.speaking
    await watch.aclose()
