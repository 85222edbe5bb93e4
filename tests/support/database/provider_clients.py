"""The real plugins, pointed at the stand-ins: what the tests of both share."""

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
from worker.speech import audio
from worker.speech.frames import frame_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from livekit.agents import stt

    from worker.speech.audio import Floats, Pcm

RATE = 16_000
ONCE = APIConnectOptions(max_retry=0)
#: For what never answers: short, since it is waited for.
ONCE_SOON = APIConnectOptions(max_retry=0, timeout=0.3)


def tone(seconds: float, *, sample_rate: int = RATE) -> Pcm:
    """A sound that rises and falls as syllables do, so that it is no noise of the room."""
    at = np.arange(round(seconds * sample_rate)) / sample_rate
    syllables = np.sin(2 * np.pi * 2 * at + np.pi / 4)
    sound: Pcm = (np.sin(2 * np.pi * 440 * at) * syllables * 8000).astype(np.int16)
    return sound


def silence(seconds: float, *, sample_rate: int = RATE) -> Pcm:
    """Digital silence."""
    return np.zeros(round(seconds * sample_rate), np.int16)


#: Half a second of silence, a second of speech, and a pause long enough to end it.
PHRASE = np.concatenate([silence(0.5), tone(1.0), silence(0.5)])


def hears(text: str) -> Any:
    """An ear that understands always the same."""

    def hear(_: Floats) -> str:
        return text

    return hear


def a_second_of_sound(_: str) -> Floats:
    """A voice that says everything in one second."""
    return audio.to_float(tone(1.0, sample_rate=24_000))


@asynccontextmanager
async def deepgram_stt(
    server: DeepgramStandIn, *, key: str = "", **options: Any
) -> AsyncIterator[deepgram.STT]:
    """The plugin of a server; phrases end after 0.3 s."""
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
    """The plugin of a server that it enters, and that is closed before the plugin is.

    A plugin whose connection is half-open takes 10 s to close (aiohttp's close time-out).
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
    """What comes of a text on the websocket."""
    async with tts.stream(conn_options=conn_options) as stream:
        stream.push_text(text)
        stream.end_input()
        return [event.frame async for event in stream]


async def synthesized(
    tts: elevenlabs.TTS, text: str, conn_options: APIConnectOptions = ONCE
) -> list[rtc.AudioFrame]:
    """What comes of a text on the HTTP stream."""
    async with tts.synthesize(text, conn_options=conn_options) as stream:
        return [event.frame async for event in stream]


def seconds(frames: list[rtc.AudioFrame]) -> float:
    """How long frames last."""
    return sum(frame.duration for frame in frames)


@asynccontextmanager
async def openai_llm(
    server: OpenAIStandIn, *, key: str = "", **options: Any
) -> AsyncIterator[openai.LLM]:
    """The plugin of a server."""
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
    """What a model answers to one message."""
    context = llm.ChatContext.empty()
    context.add_message(role="user", content=text)
    async with model.chat(chat_ctx=context, conn_options=conn_options) as stream:
        return [chunk async for chunk in stream]


def text_of(chunks: list[llm.ChatChunk]) -> str:
    """The text of an answer."""
    return "".join(chunk.delta.content or "" for chunk in chunks if chunk.delta)
