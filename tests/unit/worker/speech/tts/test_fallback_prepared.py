"""Cached sentences: spoken immediately, in the right voice, also while the provider is down."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from livekit.agents import APIConnectionError

from tests.support.virtual.provider_fakes import chain_of
from tests.support.virtual.scripted_voice import (
    HANG,
    SENTENCE,
    A,
    B,
    Break,
    MemoryStore,
    ScriptedTTS,
    Sound,
    chain,
    engine_of,
    hear,
)
from worker.speech.tts.fallback import ChainTTS

pytestmark = pytest.mark.looptime


def prepared(**by: int) -> MemoryStore:
    """Return a cache with the sentence in the named voices, each at its level."""
    store = MemoryStore()
    for name, level in by.items():
        store.kept[name, SENTENCE] = np.full(4 * 24_000, level, np.int16)
    return store


async def test_a_cached_sentence_is_spoken_immediately_without_a_request() -> None:
    voices = chain(HANG)

    heard = await hear(ChainTTS(voices, prepared=prepared(first=A)), SENTENCE)

    assert heard.levels == [A]
    assert heard.began(A) == pytest.approx(0.0, abs=0.01)
    assert engine_of(voices, "first").said == []


async def test_a_fallbacks_cached_sentence_does_not_replace_a_working_first_choice() -> None:
    voices = chain(Sound(4.0, A))

    heard = await hear(ChainTTS(voices, prepared=prepared(second=B)), SENTENCE)

    assert heard.levels == [A]


async def test_a_cached_sentence_of_the_first_choice_is_used_while_it_is_unavailable() -> None:
    voices = chain(Break())
    voices.failed("first", APIConnectionError())

    heard = await hear(ChainTTS(voices, prepared=prepared(first=A)), SENTENCE)

    assert heard.levels == [A]
    assert engine_of(voices, "second").said == []


async def test_the_voice_does_not_change_back_within_an_utterance() -> None:
    voices = chain(Break())
    engine = ChainTTS(voices, prepared=prepared(first=A))

    heard = await hear(engine, f"Thank you for telling me that. {SENTENCE}")

    assert heard.levels == [B]


async def test_without_a_provider_left_any_cached_sentence_is_used() -> None:
    voices = chain(Break(), then=[Break()])
    engine = ChainTTS(voices, prepared=prepared(second=B))

    heard = await hear(engine, SENTENCE)

    assert heard.levels == [B]


async def test_a_sentence_that_no_provider_finishes_is_repeated_from_the_cache() -> None:
    voices = chain_of(
        "tts",
        first=ScriptedTTS([Break()]),
        second=ScriptedTTS([Sound(1.0, B), Break()]),
        third=ScriptedTTS([Break()]),
    )
    engine = ChainTTS(voices, prepared=prepared(third=3000))

    heard = await hear(engine, SENTENCE)

    assert heard.levels == [B, 3000]
    assert heard.seconds(3000) == pytest.approx(4.0, abs=0.02)


async def test_only_planned_sentences_that_were_spoken_completely_are_cached() -> None:
    store = MemoryStore()
    engine = ChainTTS(chain(Sound(4.0, A)), prepared=store)
    engine.expect([SENTENCE])

    await hear(engine, f"Thank you for telling me that. {SENTENCE}")
    await asyncio.sleep(0.1)
    await engine.aclose()

    assert list(store.kept) == [("first", SENTENCE)]
    assert len(store.kept["first", SENTENCE]) == 4 * 24_000


async def test_a_sentence_in_two_voices_is_not_cached() -> None:
    store = MemoryStore()
    engine = ChainTTS(chain(Sound(1.0, A), Break()), prepared=store)
    engine.expect([SENTENCE])

    await hear(engine, SENTENCE)
    await engine.aclose()

    assert store.kept == {}
