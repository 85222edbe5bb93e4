"""The real Deepgram plugin and the local model in one chain with real speech: no word is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from livekit.agents.stt import SpeechEventType

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.faults import Fault, Nonsense
from tests.support.database.provider_clients import RATE, deepgram_stt, silence
from worker.audio import dsp
from worker.audio.frames import frame_of, resampled
from worker.fallback.chain import ProviderChain
from worker.speech import local_models
from worker.speech.stt.fallback import ChainSTT
from worker.speech.stt.local import LocalSTT
from worker.speech.vad.silero import load_vad

FIRST = "I worked on a search engine for three years."
SECOND = "Then my team moved the whole service to another country."
#: Bytes of audio per second, as the plugin sends it.
SECOND_BYTES = 2 * RATE
#: How much faster than real time the candidate speaks here.
HASTE = 4


def speech(text: str) -> Any:
    return resampled(dsp.to_pcm(local_models.synthesize(text)), 24_000, RATE)


class Interview:
    """A fallback chain that listens to the candidate, and its transcripts."""

    def __init__(self, chain: ProviderChain[Any], engine: ChainSTT) -> None:
        self.chain = chain
        self.texts: list[str] = []
        self._stream = engine.stream()
        self._heard = asyncio.Condition()
        self._taking = asyncio.create_task(self._take())

    async def say(self, *sounds: Any) -> None:
        """Push the candidate's audio, `HASTE` times faster than real time."""
        sound = np.concatenate(sounds)
        for at in range(0, len(sound), RATE // 50):
            self._stream.push_frame(frame_of(sound[at : at + RATE // 50], RATE))
            await asyncio.sleep(0.02 / HASTE)

    async def understood(self, word: str) -> None:
        """Wait until a final transcript contains the word, with silence as input."""
        quiet = asyncio.create_task(self.say(silence(60.0)))
        try:
            async with asyncio.timeout(20), self._heard:
                await self._heard.wait_for(lambda: word in self.words)
        finally:
            quiet.cancel()
            await asyncio.gather(quiet, return_exceptions=True)

    async def end(self) -> None:
        await self._stream.aclose()
        await asyncio.gather(self._taking, return_exceptions=True)

    @property
    def words(self) -> list[str]:
        text = " ".join(self.texts).lower()
        return "".join(c if c.isalnum() else " " for c in text).split()

    async def _take(self) -> None:
        async for event in self._stream:
            if event.type is SpeechEventType.FINAL_TRANSCRIPT:
                async with self._heard:
                    self.texts.append(event.alternatives[0].text)
                    self._heard.notify_all()


@asynccontextmanager
async def an_interview(server: DeepgramStandIn) -> AsyncIterator[Interview]:
    """Yield an interview on Deepgram, then the local model, with the VAD of the process."""
    vad = await load_vad()
    async with deepgram_stt(server) as plugin:
        chain: ProviderChain[Any] = ProviderChain(
            "stt", [("deepgram", lambda: plugin), ("local", lambda: LocalSTT(vad=vad))]
        )
        engine = ChainSTT(chain, detector=vad)
        interview = Interview(chain, engine)
        yield interview
        await interview.end()
        # Close half-open connections on the server's side: the plugin would wait for ten seconds.
        await server.__aexit__(None, None, None)
        await engine.aclose()


@pytest.fixture
async def server() -> DeepgramStandIn:
    return DeepgramStandIn()


@pytest.mark.row("B7")
@pytest.mark.parametrize(
    "fault",
    [
        Fault.half_open(after_messages=0),
        Fault.half_open(after_audio_bytes=SECOND_BYTES * 3 // 2),
        Fault.half_open(after_audio_bytes=SECOND_BYTES * 4),
        Fault.garbage(),
        Fault.garbage(Nonsense.WRONG_SHAPE),
        Fault.empty_text(),
        Fault.reset(after_audio_bytes=SECOND_BYTES * 3 // 2),
        Fault.close(1011, after_audio_bytes=SECOND_BYTES * 2),
        Fault.refuse(429),
        Fault.refuse(401),
    ],
    ids=lambda fault: f"{fault.kind.name} {fault.after_audio_bytes or fault.status}",
)
async def test_each_word_is_transcribed_once_whatever_deepgram_does(
    server: DeepgramStandIn, fault: Fault
) -> None:
    await server.__aenter__()
    server.fault(fault)
    async with an_interview(server) as interview:
        await interview.say(silence(0.5), speech(FIRST), silence(1.0), speech(SECOND))
        await interview.understood("country")

        words = interview.words
        expected = "worked search engine three years then team moved service another country"
        assert {word: words.count(word) for word in expected.split()} == dict.fromkeys(
            expected.split(), 1
        )
        assert interview.chain.serving == "local"


async def test_deepgram_is_used_again_once_it_recovers(server: DeepgramStandIn) -> None:
    await server.__aenter__()
    server.next(Fault.half_open(after_messages=0))
    async with an_interview(server) as interview:
        await interview.say(silence(0.5), speech(FIRST))
        await interview.understood("years")
        assert interview.chain.serving == "local"

        # Silence for Deepgram's cooldown and for the pause required between turns.
        waiting = asyncio.create_task(interview.say(silence(60.0)))
        async with asyncio.timeout(20):
            await server.requested(2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await interview.say(speech(SECOND))
        await interview.understood("country")

        assert interview.chain.serving == "deepgram"
        assert interview.words.count("years") == interview.words.count("country") == 1
