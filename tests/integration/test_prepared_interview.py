"""A plan cached with the real ElevenLabs plugin: billed once, audible while the TTS is down."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from livekit.agents import APIConnectionError

from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault
from tests.support.database.provider_clients import elevenlabs_tts
from worker.audio import dsp
from worker.audio.frames import resampled, samples_of
from worker.fallback.chain import ProviderChain
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.interview.spoken_lines import planned_lines, prepare_plan
from worker.speech import local_models
from worker.speech.tts import cache_warmup
from worker.speech.tts.cache import SpeechCache, Voice
from worker.speech.tts.fallback import SAMPLE_RATE, ChainTTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

VOICE = Voice(provider="elevenlabs", voice="stand-in", model="stand-in")
PLAN = load_plan(SAMPLE_PLAN)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_warmup, "_HEAD_START_S", 0.0)
    monkeypatch.setattr(cache_warmup, "_LEAST_PAUSE_S", 0.0)


@asynccontextmanager
async def a_job(server: ElevenLabsStandIn, folder: Path) -> AsyncIterator[ChainTTS]:
    """Yield one job's TTS: the plugin only, and the cache that the worker's jobs share."""
    async with elevenlabs_tts(server) as plugin:
        makers: list[tuple[str, Any]] = [("elevenlabs", lambda: plugin)]
        store = SpeechCache(folder, {"elevenlabs": VOICE}, max_bytes=100_000_000)
        engine = ChainTTS(ProviderChain("tts", makers), prepared=store)
        try:
            yield engine
        finally:
            await engine.aclose()


async def heard(engine: ChainTTS, text: str) -> str:
    """Return the local STT's transcript of the spoken text."""
    async with engine.stream() as stream:
        stream.push_text(text)
        stream.end_input()
        parts = [samples_of(event.frame) async for event in stream]
    sound = resampled(np.concatenate(parts), SAMPLE_RATE, local_models.STT_SAMPLE_RATE)
    return local_models.transcribe(dsp.to_float(sound)).lower()


async def test_a_plan_is_billed_once_and_every_line_heard_without_the_provider(
    tmp_path: Path,
) -> None:
    server = ElevenLabsStandIn()
    async with a_job(server, tmp_path) as engine:
        done = await prepare_plan(PLAN, engine)
    billed = server.characters
    assert done.requests == done.sentences > 8
    assert billed < 1.2 * done.characters

    gone = ElevenLabsStandIn()
    gone.fault(Fault.half_open())
    async with a_job(gone, tmp_path) as engine:
        again = await prepare_plan(PLAN, engine)
        engine.chain.failed("elevenlabs", APIConnectionError())
        texts = [await heard(engine, line) for line in planned_lines(PLAN)]

    assert again.found == again.sentences == done.sentences
    assert gone.requests == []
    assert "hello" in texts[0]
    assert "project" in texts[0]
    assert "hardest part" in texts[2]
    assert "goodbye" in texts[-1].replace("-", "").replace("good bye", "goodbye")


async def test_a_greeting_synthesized_by_one_job_is_not_synthesized_by_the_next(
    tmp_path: Path,
) -> None:
    server = ElevenLabsStandIn()
    opening, *_ = planned_lines(PLAN)
    async with a_job(server, tmp_path) as engine:
        filling = asyncio.create_task(prepare_plan(PLAN, engine))
        await heard(engine, opening)
        await filling
    billed = server.characters

    async with a_job(server, tmp_path) as engine:
        await heard(engine, opening)
    assert server.characters == billed
