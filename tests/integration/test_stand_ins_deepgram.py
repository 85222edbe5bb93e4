"""The local Deepgram test server, driven by the real plugin."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest
from livekit.agents import APIStatusError, stt
from livekit.agents.stt import SpeechEventType

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.faults import Fault, Nonsense
from tests.support.database.provider_clients import (
    ONCE,
    PHRASE,
    RATE,
    deepgram_stt,
    hears,
    push,
    silence,
    tone,
)
from worker.audio import dsp
from worker.audio.frames import resampled
from worker.speech import local_models

TEXT = "Hello there, friend."


async def next_of(stream: stt.RecognizeStream, kind: SpeechEventType) -> stt.SpeechEvent:
    async for event in stream:
        if event.type is kind:
            return event
    raise AssertionError(f"no {kind}")


async def test_speech_becomes_a_start_interims_a_final_and_an_end() -> None:
    async with (
        DeepgramStandIn(hear=hears(TEXT)) as server,
        deepgram_stt(server) as plugin,
        plugin.stream(conn_options=ONCE) as stream,
    ):
        push(stream, PHRASE[: RATE * 5 // 4])
        await next_of(stream, SpeechEventType.START_OF_SPEECH)
        interim = await next_of(stream, SpeechEventType.INTERIM_TRANSCRIPT)
        push(stream, PHRASE[RATE * 5 // 4 :])
        final = await next_of(stream, SpeechEventType.FINAL_TRANSCRIPT)
        await next_of(stream, SpeechEventType.END_OF_SPEECH)

    assert interim.alternatives[0].text == final.alternatives[0].text == TEXT
    assert final.request_id


async def test_words_have_times_within_the_speech_and_a_confidence() -> None:
    async with (
        DeepgramStandIn(hear=hears(TEXT)) as server,
        deepgram_stt(server) as plugin,
        plugin.stream(conn_options=ONCE) as stream,
    ):
        push(stream, PHRASE)
        final = (await next_of(stream, SpeechEventType.FINAL_TRANSCRIPT)).alternatives[0]

    words = final.words or []
    assert [str(word) for word in words] == ["Hello", "there,", "friend."]
    times = [(word.start_time, word.end_time) for word in words]
    assert times == sorted(times)
    assert final.start_time == pytest.approx(0.5, abs=0.05)
    assert final.end_time == pytest.approx(1.5, abs=0.05)
    assert 0.9 < final.confidence <= 1


async def test_text_has_no_punctuation_unless_requested() -> None:
    async with (
        DeepgramStandIn(hear=hears(TEXT)) as server,
        deepgram_stt(server, punctuate=False) as plugin,
        plugin.stream(conn_options=ONCE) as stream,
    ):
        push(stream, PHRASE)
        final = (await next_of(stream, SpeechEventType.FINAL_TRANSCRIPT)).alternatives[0]

    assert final.text == "hello there friend"
    assert [str(word) for word in final.words or []] == ["hello", "there", "friend"]


async def test_speech_at_another_sample_rate_is_understood_at_16_khz() -> None:
    heard: list[int] = []

    def hear(speech: dsp.Floats) -> str:
        heard.append(len(speech))
        return TEXT

    async with (
        DeepgramStandIn(hear=hear) as server,
        deepgram_stt(server, sample_rate=48_000, interim_results=False) as plugin,
        plugin.stream(conn_options=ONCE) as stream,
    ):
        push(stream, resampled(PHRASE, RATE, 48_000), sample_rate=48_000)
        await next_of(stream, SpeechEventType.FINAL_TRANSCRIPT)

    assert heard == [pytest.approx(1.5 * RATE, abs=0.3 * RATE)]


async def test_the_real_model_understands_real_speech() -> None:
    text = "I worked on a search engine for three years, and I liked it."
    spoken = resampled(dsp.to_pcm(local_models.synthesize(text)), 24_000, RATE)

    async with (
        DeepgramStandIn() as server,
        deepgram_stt(server, endpointing_ms=500) as plugin,
        plugin.stream(conn_options=ONCE) as stream,
    ):
        push(stream, np.concatenate([silence(0.5), spoken, silence(1.0)]))
        final = await next_of(stream, SpeechEventType.FINAL_TRANSCRIPT)

    heard = re.findall(r"\w+", final.alternatives[0].text.lower())
    assert {"worked", "search", "engine", "three", "years"} <= set(heard)


async def test_the_plugin_reopens_a_broken_stream() -> None:
    async with (
        DeepgramStandIn(hear=hears(TEXT)) as server,
        deepgram_stt(server) as plugin,
        plugin.stream() as stream,
    ):
        server.next(Fault.reset(after_audio_bytes=RATE))
        push(stream, tone(1.0))
        await server.requested(2)
        push(stream, PHRASE)
        final = await next_of(stream, SpeechEventType.FINAL_TRANSCRIPT)

    assert final.alternatives[0].text == TEXT
    assert server.connections == 2


@pytest.mark.parametrize("code", [1011, 1008])
async def test_a_close_code_becomes_the_status_code(code: int) -> None:
    async with (
        DeepgramStandIn(hear=hears(TEXT)) as server,
        deepgram_stt(server) as plugin,
        plugin.stream(conn_options=ONCE) as stream,
    ):
        server.next(Fault.close(code, after_messages=1))
        push(stream, PHRASE)
        with pytest.raises(APIStatusError) as error:
            await next_of(stream, SpeechEventType.FINAL_TRANSCRIPT)

    assert error.value.status_code == code
    assert error.value.retryable


@pytest.mark.parametrize(
    "fault",
    [
        Fault.half_open(after_messages=0),
        Fault.half_open(after_audio_bytes=RATE),
        Fault.garbage(),
        Fault.garbage(Nonsense.WRONG_SHAPE),
    ],
)
async def test_a_stream_can_be_open_and_give_no_transcript(fault: Fault) -> None:
    """The plugin raises no error either; it detects a half-open connection after 45 s."""
    async with (
        DeepgramStandIn(hear=hears(TEXT)) as server,
        deepgram_stt(server) as plugin,
        plugin.stream(conn_options=ONCE) as stream,
    ):
        server.fault(fault)
        push(stream, PHRASE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await next_of(stream, SpeechEventType.START_OF_SPEECH)

    assert len(server.requests) == 1


async def test_speech_can_be_detected_and_not_transcribed() -> None:
    async with (
        DeepgramStandIn(hear=hears(TEXT)) as server,
        deepgram_stt(server) as plugin,
        plugin.stream(conn_options=ONCE) as stream,
    ):
        server.fault(Fault.empty_text())
        push(stream, PHRASE)
        events = [(await anext(stream)).type for _ in range(2)]

    assert events == [SpeechEventType.START_OF_SPEECH, SpeechEventType.END_OF_SPEECH]
