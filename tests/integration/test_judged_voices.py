"""The real ElevenLabs plugin under every fault: the whole sentence is heard anyway."""

from __future__ import annotations

import difflib
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
import pytest
from livekit.plugins import elevenlabs

from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault, Nonsense
from tests.support.database.provider_clients import a_second_of_sound, elevenlabs_tts
from worker.audio import dsp
from worker.audio.frames import resampled, samples_of
from worker.fallback.chain import ProviderChain
from worker.speech import local_models
from worker.speech.tts.fallback import ChainTTS
from worker.speech.tts.local import LocalTTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.audio.dsp import Floats

SENTENCE = (
    "Three years ago we moved our search engine to another country, "
    "and in the end nobody has noticed anything at all."
)
RATE = 24_000
SECOND = 2 * RATE


@asynccontextmanager
async def a_chain(server: ElevenLabsStandIn, *, patience_s: float = 1.0) -> AsyncIterator[ChainTTS]:
    """Yield a chain of the real plugin, then the local TTS."""
    async with elevenlabs_tts(server) as plugin:
        makers: list[tuple[str, Any]] = [("elevenlabs", lambda: plugin), ("local", LocalTTS)]
        engine = ChainTTS(ProviderChain("tts", makers), patience_s=patience_s)
        try:
            yield engine
        finally:
            await engine.aclose()


async def spoken(engine: ChainTTS, text: str = SENTENCE) -> Floats:
    """Return the audio of a text, resampled to the rate of the local STT."""
    async with engine.stream() as stream:
        stream.push_text(text)
        stream.end_input()
        parts = [samples_of(event.frame) async for event in stream]
    return dsp.to_float(resampled(np.concatenate(parts), RATE, local_models.STT_SAMPLE_RATE))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def lost_and_added(heard: Floats) -> tuple[list[str], list[str]]:
    """Return the words of the sentence that were not heard, and the words heard in addition."""
    said, understood = words(SENTENCE), words(local_models.transcribe(heard))
    lost: list[str] = []
    added: list[str] = []
    matcher = difflib.SequenceMatcher(None, said, understood, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind != "equal":
            lost += said[i:j]
            added += understood[k:m]
    return lost, added


BEFORE_ANY_AUDIO = {
    "half-open before it answers": Fault.half_open(),
    "half-open once it is connected": Fault.half_open(after_messages=0),
    "closed as soon as it opens": Fault.close(1011),
    "reset": Fault.reset(),
    "silence": Fault.silent_audio(),
    "no audio": Fault.no_audio(),
    "garbage in place of JSON": Fault.garbage(Nonsense.NOT_JSON),
    "garbage in JSON": Fault.garbage(Nonsense.WRONG_SHAPE),
    "garbage in place of audio": Fault.garbage(Nonsense.NO_AUDIO),
    "a refused key": Fault.reject("invalid_api_key"),
    "no credit": Fault.refuse(402),
    "too late": Fault.slow(answer_s=3.0),
}


@pytest.mark.row("B7")
@pytest.mark.parametrize("how", BEFORE_ANY_AUDIO)
async def test_a_sentence_without_audio_is_spoken_by_the_next_provider(how: str) -> None:
    server = ElevenLabsStandIn()
    server.fault(BEFORE_ANY_AUDIO[how])
    async with a_chain(server) as engine:
        lost, added = lost_and_added(await spoken(engine))

        assert engine.chain.serving == "local"
        assert not engine.chain.is_fresh("elevenlabs")
    assert (lost, added) == ([], [])


IN_THE_MIDDLE = {
    "closed": Fault.close(1011, after_audio_bytes=2 * SECOND),
    "reset": Fault.reset(after_audio_bytes=3 * SECOND),
    "half-open": Fault.half_open(after_audio_bytes=2 * SECOND),
    "stalls": Fault.half_open(after_audio_bytes=SECOND // 2),
}


@pytest.mark.parametrize("how", IN_THE_MIDDLE)
async def test_a_sentence_that_broke_off_continues_at_its_word(how: str) -> None:
    server = ElevenLabsStandIn()
    server.next(IN_THE_MIDDLE[how])
    async with a_chain(server) as engine:
        lost, added = lost_and_added(await spoken(engine))

        assert engine.chain.serving == "local"
    # The next provider repeats one word; a fragment of that word may be heard as another.
    assert lost == []
    assert len(added) <= 2


async def test_endless_audio_is_cut_and_the_sentence_not_repeated() -> None:
    def endless(text: str) -> Floats:
        noise = np.random.default_rng(1).normal(0.0, 0.05, 120 * RATE).astype(np.float32)
        return np.concatenate([local_models.synthesize(text), noise])

    server = ElevenLabsStandIn(speak=endless)
    async with a_chain(server) as engine:
        heard = await spoken(engine)

        assert not engine.chain.is_fresh("elevenlabs")
    assert len(heard) / local_models.STT_SAMPLE_RATE <= 3.0 + 0.25 * len(SENTENCE)


async def test_a_recreated_plugin_opens_its_own_connection() -> None:
    server = ElevenLabsStandIn(speak=a_second_of_sound)
    async with server, aiohttp.ClientSession() as http:

        def make() -> elevenlabs.TTS:
            address, key = server.base_url, server.key
            return elevenlabs.TTS(
                base_url=address, api_key=key, http_session=http, encoding="pcm_24000"
            )

        engine = ChainTTS(ProviderChain("tts", [("elevenlabs", make)]))
        await spoken(engine, "Hello to you.")
        await spoken(engine, "Hello to you.")
        assert server.connections == 1, "one is kept"

        engine.chain.remake("elevenlabs")
        await spoken(engine, "Hello to you.")
        assert server.connections == 2
        assert engine.chain.is_fresh("elevenlabs")
        await engine.aclose()


async def test_after_a_half_open_connection_the_same_plugin_speaks_again_on_a_new_one() -> None:
    server = ElevenLabsStandIn()
    server.next(Fault.half_open(after_messages=0))
    async with a_chain(server) as engine:
        await spoken(engine)
        plugin = dict(engine.chain.candidates())["elevenlabs"]
        again = ChainTTS(ProviderChain("tts", [("elevenlabs", lambda: plugin)]))
        lost, added = lost_and_added(await spoken(again))

    assert (lost, added) == ([], [])
    assert server.connections == 2


async def test_no_failure_logs_the_sentence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", logger="worker")
    for fault in (*BEFORE_ANY_AUDIO.values(), *IN_THE_MIDDLE.values()):
        server = ElevenLabsStandIn(speak=lambda _: np.zeros(RATE, np.float32))
        server.fault(fault)
        async with a_chain(server, patience_s=0.2) as engine:
            await spoken(engine)

    assert "country" not in caplog.text
