"""Time from the decision on a question to its first audio, with and without the TTS cache."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
from livekit.plugins import elevenlabs

from benchmarks.figures import Figure
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from worker.audio import dsp
from worker.fallback.chain import ProviderChain
from worker.speech.tts.cache import SpeechCache, Voice
from worker.speech.tts.cache_warmup import prepare_lines
from worker.speech.tts.fallback import SAMPLE_RATE, ChainTTS

if TYPE_CHECKING:
    from worker.audio.dsp import Floats

_ROUNDS = 15
_LATENCY_S = 0.3
_QUESTION = "What was the hardest part of the project you have just told me about?"
_VOICE = Voice(provider="elevenlabs", voice="stand-in", model="stand-in")


async def run() -> list[Figure]:
    """Run all benchmarks of this module; takes a few seconds.

    The local test server answers after `_LATENCY_S` (300 ms) on a connection that is already open,
    which is ElevenLabs' latency on a good day.
    """
    what = f"question decided to first audio, TTS with {_LATENCY_S * 1000:g} ms"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store = SpeechCache(Path(folder), {"elevenlabs": _VOICE}, max_bytes=10**8)
        async with _chain() as live:
            asked = await _first_audio(live)
        async with _chain(store) as engine:
            await prepare_lines([_QUESTION], engine)
            prepared = await _first_audio(engine)
    return [
        Figure(what=what, who="from the provider", unit="ms", samples=asked),
        Figure(what=what, who="from the cache", unit="ms", samples=prepared, target=50.0),
    ]


@asynccontextmanager
async def _chain(store: SpeechCache | None = None) -> AsyncIterator[ChainTTS]:
    async with (
        aiohttp.ClientSession() as http,
        ElevenLabsStandIn(speak=_speech) as server,
    ):

        def plugin() -> Any:
            return elevenlabs.TTS(
                base_url=server.base_url,
                api_key=server.key,
                http_session=http,
                encoding=f"pcm_{SAMPLE_RATE}",  # type: ignore[arg-type]  # one of its literals
            )

        engine = ChainTTS(ProviderChain("tts", [("elevenlabs", plugin)]), prepared=store)
        try:
            yield engine
        finally:
            await engine.aclose()


def _speech(_: str) -> Floats:
    """Return four seconds of audio, after the service's latency to the first audio."""
    time.sleep(_LATENCY_S)
    at = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    return dsp.to_float((np.sin(2 * np.pi * 440 * at) * 8000).astype(np.int16))


async def _first_audio(engine: ChainTTS) -> list[float]:
    """Return milliseconds for each round after a first one, which opens the connection."""
    samples = []
    for _ in range(_ROUNDS + 1):
        began = time.perf_counter()
        async with engine.stream() as stream:
            stream.push_text(_QUESTION)
            stream.end_input()
            await anext(stream)
            samples.append((time.perf_counter() - began) * 1000)
    return samples[1:]
