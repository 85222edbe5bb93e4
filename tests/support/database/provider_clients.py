"""The real provider plugins, connected to the local test servers of `tests.stand_ins`."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
from livekit import rtc
from livekit.agents import APIConnectOptions, llm
from livekit.plugins import deepgram, elevenlabs, openai

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.openai import OpenAIStandIn
from worker.audio import dsp
from worker.audio.frames import frame_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from livekit.agents import stt

    from worker.audio.dsp import Floats, Pcm

RATE = 16_000
ONCE = APIConnectOptions(max_retry=0)
#: For a provider that never answers; the timeout is short because the test waits for it.
ONCE_SOON = APIConnectOptions(max_retry=0, timeout=0.3)


def tone(seconds: float, *, sample_rate: int = RATE) -> Pcm:
    """Return a tone that rises and falls like syllables, so that it does not count as noise."""
    at = np.arange(round(seconds * sample_rate)) / sample_rate
    syllables = np.sin(2 * np.pi * 2 * at + np.pi / 4)
    sound: Pcm = (np.sin(2 * np.pi * 440 * at) * syllables * 8000).astype(np.int16)
    return sound


def silence(seconds: float, *, sample_rate: int = RATE) -> Pcm:
    """Return digital silence."""
    return np.zeros(round(seconds * sample_rate), np.int16)


#: Half a second of silence, a second of speech, and a pause that is long enough to end a phrase.
PHRASE = np.concatenate([silence(0.5), tone(1.0), silence(0.5)])


def hears(text: str) -> Any:
    """Return a recogniser that gives the same text for any speech."""

    def hear(_: Floats) -> str:
        return text

    return hear


def a_second_of_sound(_: str) -> Floats:
    """Synthesise any text as one second of sound."""
    return dsp.to_float(tone(1.0, sample_rate=24_000))


@asynccontextmanager
async def deepgram_stt(
    server: DeepgramStandIn, *, key: str = "", **options: Any
) -> AsyncIterator[deepgram.STT]:
    """Yield the plugin, connected to a test server; phrases end after 0.3 s of silence."""
    async with aiohttp.ClientSession() as http:
        yield deepgram.STT(
            base_url=server.base_url,
            api_key=key or server.key,
            http_session=http,
            **{"endpointing_ms": 300, **options},
        )


def push(stream: stt.RecognizeStream, pcm: Pcm, *, sample_rate: int = RATE) -> None:
    """Push audio in frames of 20 ms, all at once."""
    step = sample_rate // 50
    for at in range(0, len(pcm), step):
        stream.push_frame(frame_of(pcm[at : at + step], sample_rate))


@asynccontextmanager
async def elevenlabs_tts(
    server: ElevenLabsStandIn, *, key: str = "", **options: Any
) -> AsyncIterator[elevenlabs.TTS]:
    """Enter a test server and yield the plugin; close the server before the plugin.

    A plugin with a half-open connection takes 10 s to close (aiohttp's close timeout).
    """
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        async with server:
            tts = elevenlabs.TTS(
                base_url=server.base_url,
                api_key=key or server.key,
                http_session=http,
                encoding="pcm_24000",
                **options,
            )
            stack.push_async_callback(tts.aclose)
            yield tts


async def said(
    tts: elevenlabs.TTS, text: str, conn_options: APIConnectOptions = ONCE
) -> list[rtc.AudioFrame]:
    """Return the frames of a text that is synthesised over the websocket."""
    async with tts.stream(conn_options=conn_options) as stream:
        stream.push_text(text)
        stream.end_input()
        return [event.frame async for event in stream]


async def synthesized(
    tts: elevenlabs.TTS, text: str, conn_options: APIConnectOptions = ONCE
) -> list[rtc.AudioFrame]:
    """Return the frames of a text that is synthesised over the HTTP stream."""
    async with tts.synthesize(text, conn_options=conn_options) as stream:
        return [event.frame async for event in stream]


def seconds(frames: list[rtc.AudioFrame]) -> float:
    """Return the total duration of frames, in seconds."""
    return sum(frame.duration for frame in frames)


@asynccontextmanager
async def openai_llm(
    server: OpenAIStandIn, *, key: str = "", **options: Any
) -> AsyncIterator[openai.LLM]:
    """Yield the plugin, connected to a test server."""
    model = openai.LLM(
        base_url=server.base_url,
        api_key=key or server.key,
        **{"model": "gpt-4.1-mini", **options},
    )
    try:
        yield model
    finally:
        await model.aclose()


async def chunks_of(
    model: openai.LLM, text: str = "Hello?", conn_options: APIConnectOptions = ONCE
) -> list[llm.ChatChunk]:
    """Return the chunks of a model's answer to one message."""
    context = llm.ChatContext.empty()
    context.add_message(role="user", content=text)
    async with model.chat(chat_ctx=context, conn_options=conn_options) as stream:
        return [chunk async for chunk in stream]


def text_of(chunks: list[llm.ChatChunk]) -> str:
    """Return the text of an answer."""
    return "".join(chunk.delta.content or "" for chunk in chunks if chunk.delta)
