"""The in-process text-to-speech, used through LiveKit's TTS interface."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, tts

from tests.support.virtual.speech_helpers import STT_RATE, word_error_rate
from worker.audio import dsp
from worker.audio.frames import resampled, samples_of
from worker.speech import local_models
from worker.speech.local_models import LocalSpeechFailed, LocalSpeechUnavailable
from worker.speech.tts.local import LocalTTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.audio.dsp import Floats, Pcm

QUESTION = "Thank you. What would you do differently today? Please take your time."
AGAIN = APIConnectOptions(max_retry=2, retry_interval=0.0)


@pytest.fixture
async def local_tts() -> AsyncIterator[LocalTTS]:
    voice = LocalTTS()
    yield voice
    await voice.aclose()


def heard(pcm: Pcm) -> str:
    at_stt_rate = resampled(pcm, local_models.TTS_SAMPLE_RATE, STT_RATE)
    return local_models.transcribe(dsp.to_float(at_stt_rate))


async def test_a_text_is_spoken_whole(local_tts: LocalTTS) -> None:
    async with local_tts.synthesize(QUESTION) as stream:
        frame = await stream.collect()

    assert (frame.sample_rate, frame.num_channels) == (24_000, 1)
    assert word_error_rate(QUESTION, heard(samples_of(frame))) <= 0.1


async def test_the_audio_equals_the_models_output_sample_for_sample(local_tts: LocalTTS) -> None:
    async with local_tts.synthesize(QUESTION) as stream:
        frame = await stream.collect()

    assert np.array_equal(samples_of(frame), dsp.to_pcm(local_models.synthesize(QUESTION)))


async def test_no_frame_is_longer_than_a_fifth_of_a_second(local_tts: LocalTTS) -> None:
    async with local_tts.synthesize(QUESTION) as stream:
        durations = [event.frame.duration async for event in stream]

    assert max(durations) <= 0.22
    assert durations[0] <= 0.05


async def test_the_first_sentence_is_emitted_before_the_second_is_synthesized(
    local_tts: LocalTTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    synthesize = local_models.synthesize

    def slow(sentence: str) -> Floats:
        if not sentence.startswith("Thank"):
            go_on.wait(timeout=30)
        return synthesize(sentence)

    monkeypatch.setattr(local_models, "synthesize", slow)
    async with local_tts.synthesize(QUESTION) as stream:
        first = await anext(stream)
        go_on.set()
        rest = [event.frame async for event in stream]

    assert first.frame.duration > 0
    assert sum(frame.duration for frame in rest) > 1


async def test_the_frameworks_adapter_streams_it_sentence_by_sentence(
    local_tts: LocalTTS,
) -> None:
    adapter = tts.StreamAdapter(tts=local_tts)
    async with adapter.stream() as stream:
        for word in QUESTION.split():
            stream.push_text(f"{word} ")
        stream.end_input()
        frames = [event.frame async for event in stream]
    await adapter.aclose()

    assert word_error_rate(QUESTION, heard(np.concatenate([samples_of(f) for f in frames]))) <= 0.1


async def test_a_text_without_words_gives_a_short_silence_and_no_error(
    local_tts: LocalTTS,
) -> None:
    async with local_tts.synthesize("...") as stream:
        frame = await stream.collect()

    assert 0 < frame.duration < 0.5
    assert not samples_of(frame).any()


async def test_a_failure_is_retried(local_tts: LocalTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    synthesize = local_models.synthesize
    failures = [LocalSpeechFailed("hibari", "OSError")]

    def fail_once(text: str) -> Floats:
        if failures:
            raise failures.pop()
        return synthesize(text)

    monkeypatch.setattr(local_models, "synthesize", fail_once)
    async with local_tts.synthesize("That is all.", conn_options=AGAIN) as stream:
        frame = await stream.collect()

    assert frame.duration > 0.3


async def test_a_missing_model_is_reported_without_the_text_and_not_retried(
    local_tts: LocalTTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def missing(text: str) -> Floats:
        calls.append(text)
        raise LocalSpeechUnavailable("not here")

    monkeypatch.setattr(local_models, "synthesize", missing)
    async with local_tts.synthesize("A secret.", conn_options=AGAIN) as stream:
        with pytest.raises(APIConnectionError) as caught:
            await stream.collect()

    assert "not here" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(calls) == 1


async def test_the_tts_reports_the_local_voice_name(local_tts: LocalTTS) -> None:
    assert (local_tts.provider, local_tts.model) == ("local", "hibari")
    assert (local_tts.sample_rate, local_tts.num_channels) == (24_000, 1)
    assert not local_tts.capabilities.streaming


async def test_closing_leaves_no_task_and_no_thread_behind() -> None:
    before = asyncio.all_tasks()
    voice = LocalTTS()
    stream = voice.synthesize(QUESTION)
    await anext(stream)

    await stream.aclose()
    await voice.aclose()

    assert asyncio.all_tasks() == before
    assert not any(thread.name.startswith("local-tts") for thread in threading.enumerate())
