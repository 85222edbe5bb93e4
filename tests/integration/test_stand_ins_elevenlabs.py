"""The local ElevenLabs test server, driven by the real plugin."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest
from livekit.agents import APIError, APIStatusError

from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault, Nonsense
from tests.support.database.provider_clients import (
    ONCE_SOON,
    a_second_of_sound,
    elevenlabs_tts,
    said,
    seconds,
    synthesized,
)
from worker.audio import dsp
from worker.audio.frames import resampled, samples_of
from worker.speech import local_models

TEXT = "Hello there, my friend. How are you today?"


def stand_in() -> ElevenLabsStandIn:
    return ElevenLabsStandIn(speak=a_second_of_sound)


async def test_a_text_becomes_audio_and_the_times_of_its_words() -> None:
    server = stand_in()
    async with elevenlabs_tts(server) as tts:
        frames = await said(tts, "How are you today?")

    words = [word for frame in frames for word in frame.userdata["lk.timed_transcripts"]]
    assert seconds(frames) == pytest.approx(1.0, abs=0.02)
    assert "".join(words).strip() == "How are you today?"
    assert [word.start_time for word in words] == sorted(word.start_time for word in words)
    assert 0.5 < words[-1].start_time < 1.0


async def test_every_sentence_is_spoken_and_every_character_billed() -> None:
    spoken: list[str] = []

    def speak(text: str) -> dsp.Floats:
        spoken.append(text)
        return a_second_of_sound(text)

    server = ElevenLabsStandIn(speak=speak)
    async with elevenlabs_tts(server) as tts:
        frames = await said(tts, f"{TEXT} I am glad that you could come.")

    assert "".join(spoken).split() == f"{TEXT} I am glad that you could come.".split()
    assert seconds(frames) == pytest.approx(len(spoken), abs=0.02)
    assert server.characters == sum(map(len, spoken))


async def test_two_concurrent_texts_share_a_connection_and_stay_separate() -> None:
    server = stand_in()
    async with elevenlabs_tts(server) as tts:
        await said(tts, "First of all.")
        short, long = await asyncio.gather(said(tts, "Yes."), said(tts, f"{TEXT} {TEXT}"))

    assert server.connections == 1
    assert seconds(short) == pytest.approx(1.0, abs=0.02)
    assert seconds(long) > 1.5


async def test_the_http_stream_gives_audio() -> None:
    server = stand_in()
    async with elevenlabs_tts(server) as tts:
        frames = await synthesized(tts, TEXT)

    assert seconds(frames) == pytest.approx(1.0, abs=0.02)
    assert server.requests[0].body["text"] == TEXT


async def test_the_real_voice_can_be_understood() -> None:
    server = ElevenLabsStandIn()
    async with elevenlabs_tts(server) as tts:
        frames = await said(tts, "I worked on a search engine for three years.")

    pcm = np.concatenate([samples_of(frame) for frame in frames])
    heard = local_models.transcribe(dsp.to_float(resampled(pcm, 24_000, 16_000)))
    assert {"worked", "search", "engine", "three", "years"} <= set(
        re.findall(r"\w+", heard.lower())
    )


async def test_a_voice_that_does_not_exist_ends_the_websocket_and_is_not_found_on_http() -> None:
    server = stand_in()
    async with elevenlabs_tts(server, voice_id="nobody") as tts:
        with pytest.raises(APIStatusError) as on_websocket:
            await said(tts, TEXT)
        with pytest.raises(APIStatusError) as on_http:
            await synthesized(tts, TEXT)

    assert on_websocket.value.status_code == 1008
    assert on_http.value.status_code == 404


async def test_a_voice_added_by_a_test_is_known() -> None:
    server = ElevenLabsStandIn(speak=a_second_of_sound, voices={"mine": "My voice"})
    async with elevenlabs_tts(server, voice_id="mine") as tts:
        frames = await said(tts, TEXT)
        voices = await tts.list_voices()

    assert frames
    assert [(voice.id, voice.name) for voice in voices] == [("mine", "My voice")]


async def test_a_wrong_key_is_reported_on_the_websocket_and_refused_on_http() -> None:
    server = stand_in()
    async with elevenlabs_tts(server, key="wrong") as tts:
        with pytest.raises(APIStatusError) as on_websocket:
            await said(tts, TEXT)
        with pytest.raises(APIStatusError) as on_http:
            await synthesized(tts, TEXT)

    assert on_websocket.value.status_code == 1008
    assert on_http.value.status_code == 401


async def test_audio_can_be_silent_and_well_formed() -> None:
    server = stand_in()
    server.fault(Fault.silent_audio())
    async with elevenlabs_tts(server) as tts:
        both = [await said(tts, TEXT), await synthesized(tts, TEXT)]

    for frames in both:
        assert seconds(frames) >= 1.0
        assert not any(samples_of(frame).any() for frame in frames)


async def test_audio_can_be_missing() -> None:
    """The plugin takes a few bytes of a web page for audio: no error, almost no sound."""
    server = stand_in()
    server.fault(Fault.garbage(Nonsense.NO_AUDIO))
    async with elevenlabs_tts(server) as tts:
        both = [await said(tts, TEXT), await synthesized(tts, TEXT)]

    assert all(seconds(frames) < 0.05 for frames in both)


async def test_an_answer_without_audio_is_an_error() -> None:
    server = stand_in()
    server.fault(Fault.no_audio())
    async with elevenlabs_tts(server) as tts:
        for speak in (said, synthesized):
            with pytest.raises(APIError, match="no audio frames"):
                await speak(tts, TEXT)


async def test_a_used_up_quota_looks_like_any_closed_websocket() -> None:
    server = stand_in()
    server.fault(Fault.reject("quota_exceeded", reason="This request exceeds your quota."))
    async with elevenlabs_tts(server) as tts:
        with pytest.raises(APIStatusError) as error:
            await said(tts, TEXT)

    assert error.value.status_code == 1008
    assert error.value.retryable


async def test_partial_audio_breaks_off_at_the_given_place() -> None:
    server = stand_in()
    server.next(Fault.close(1011, after_audio_bytes=24_000))
    async with elevenlabs_tts(server) as tts:
        with pytest.raises(APIStatusError) as error:
            await said(tts, TEXT)
        whole = await said(tts, TEXT)

    assert error.value.status_code == 1011
    assert seconds(whole) >= 1.0
    assert server.connections == 2


async def test_a_websocket_closed_as_soon_as_it_opens_keeps_the_plugin_waiting() -> None:
    """The plugin registers a text after the connection is gone, and no timeout ends the wait."""
    server = stand_in()
    server.fault(Fault.close(1011))
    async with elevenlabs_tts(server) as tts:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await said(tts, TEXT, ONCE_SOON)


@pytest.mark.parametrize("status", [401, 500])
async def test_prewarming_retries_until_it_is_accepted(status: int) -> None:
    """A refused key is retried too: the plugin treats the refused upgrade as a network error."""
    server = stand_in()
    server.next(Fault.refuse(status))
    async with elevenlabs_tts(server) as tts:
        tts.prewarm()
        await server.requested(2)
        frames = await said(tts, TEXT)

    assert frames
    assert len(server.requests) == 2
