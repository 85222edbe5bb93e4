"""The filling of the TTS cache: in the plan's order, in the background, each sentence once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from livekit.agents import APIConnectionError, APIStatusError

from tests.support.virtual.provider_fakes import chain_of
from tests.support.virtual.scripted_voice import (
    HANG,
    Break,
    MemoryStore,
    ScriptedTTS,
    Sound,
    Wait,
    hear,
)
from worker.interview.orchestrator import Role, next_move
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.interview.spoken_lines import planned_lines, prepare_plan
from worker.speech.tts import cache_warmup
from worker.speech.tts.cache_warmup import prepare_lines
from worker.speech.tts.fallback import ChainTTS
from worker.speech.tts.fallback_stream import sentences_of

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

pytestmark = pytest.mark.looptime

LINES = [
    "Hello, and welcome. Please tell me about a project of yours.",
    "Please tell me about a project of yours.",
    "What was the hardest part of it?",
    "Thank you, and goodbye.",
]
SENTENCES = [
    "Hello, and welcome.",
    "Please tell me about a project of yours.",
    "What was the hardest part of it?",
    "Thank you, and goodbye.",
]
SPEAKS = [Sound(2.5)]


def engine_of(**voices: ScriptedTTS) -> tuple[ChainTTS, MemoryStore]:
    store = MemoryStore()
    return ChainTTS(chain_of("tts", **voices), prepared=store), store


async def test_every_sentence_is_cached_once_and_in_order() -> None:
    voice = ScriptedTTS(SPEAKS)
    engine, store = engine_of(only=voice)

    done = await prepare_lines(LINES, engine)

    assert voice.said == SENTENCES
    assert list(store.kept) == [("only", sentence) for sentence in SENTENCES]
    assert (done.sentences, done.found, done.requests) == (4, 0, 4)
    assert done.characters == sum(map(len, SENTENCES))


async def test_cached_sentences_are_not_requested_again() -> None:
    voice = ScriptedTTS(SPEAKS)
    engine, _ = engine_of(only=voice)
    await prepare_lines(LINES, engine)
    voice.said.clear()

    done = await prepare_lines(LINES, engine)

    assert voice.said == []
    assert (done.sentences, done.found, done.requests, done.characters) == (4, 4, 0, 0)


async def test_a_cached_line_is_spoken_without_a_request() -> None:
    voice = ScriptedTTS(SPEAKS)
    engine, _ = engine_of(only=voice)
    await prepare_lines(LINES, engine)
    voice.said.clear()

    heard = await hear(engine, LINES[0])

    assert voice.said == []
    assert heard.seconds(1000) == pytest.approx(5.0, abs=0.02)


async def test_all_lines_of_a_plan_are_cached_with_the_greeting_first() -> None:
    plan = load_plan(SAMPLE_PLAN)
    voice = ScriptedTTS([Sound(4.0)])
    engine, _ = engine_of(only=voice)

    await prepare_plan(plan, engine)

    greeting = next_move(plan, ())
    assert greeting.role is Role.OPENING
    first = sentences_of(greeting.text)
    assert voice.said[: len(first)] == first
    for line in planned_lines(plan):
        assert set(sentences_of(line)) <= set(voice.said)
    assert voice.said[-1] == sentences_of(plan.closing)[-1]


async def test_no_warm_up_request_is_sent_while_an_utterance_waits() -> None:
    voice = ScriptedTTS([Wait(0.5), Sound(1.5), Wait(1.0), Sound(1.5)], SPEAKS)
    engine, _ = engine_of(only=voice)
    speaking = asyncio.create_task(hear(engine, "What would you do differently today?"))
    await asyncio.sleep(0.1)

    filling = asyncio.create_task(prepare_lines(LINES, engine))
    await asyncio.sleep(1.2)
    assert len(voice.said) == 1

    await speaking
    await filling
    assert voice.said[1:] == SENTENCES


async def test_a_sentence_spoken_during_the_warm_up_is_not_requested_again() -> None:
    """The greeting of an interview whose plan is not in the cache yet."""
    voice = ScriptedTTS([Wait(1.0), *SPEAKS])
    engine, store = engine_of(only=voice)
    filling = asyncio.create_task(prepare_lines(LINES, engine))
    await asyncio.sleep(0.5)
    speaking = asyncio.create_task(hear(engine, LINES[0]))

    await asyncio.gather(filling, speaking)

    assert voice.said == SENTENCES
    assert len(store.kept) == 4


async def test_warm_up_requests_leave_a_provider_idle_half_of_the_time() -> None:
    voice = ScriptedTTS([Wait(2.0), Sound(2.5)])
    engine, _ = engine_of(only=voice)
    began = asyncio.get_running_loop().time()

    await prepare_lines(LINES[:1], engine)

    assert asyncio.get_running_loop().time() - began == pytest.approx(9.0, abs=0.1)


async def test_two_jobs_of_one_plan_request_each_sentence_once() -> None:
    """Each job has its own TTS, and both share one cache."""
    voices = [ScriptedTTS([Wait(1.0), Sound(2.5)]) for _ in range(2)]
    store = MemoryStore()
    engines = [ChainTTS(chain_of("tts", only=voice), prepared=store) for voice in voices]

    done = await asyncio.gather(*(prepare_lines(LINES, engine) for engine in engines))

    assert sorted(voices[0].said + voices[1].said) == sorted(SENTENCES)
    assert [each.sentences for each in done] == [4, 4]
    assert store.claimed == set()


async def test_a_cancelled_warm_up_leaves_nothing_behind() -> None:
    voice = ScriptedTTS([HANG])
    engine, store = engine_of(only=voice)
    filling = asyncio.create_task(prepare_lines(LINES, engine))
    await asyncio.sleep(2)

    filling.cancel()
    await asyncio.wait({filling})

    assert filling.cancelled()
    assert voice.running == 0
    assert store.kept == {}
    assert store.claimed == set()


async def test_a_temporary_failure_is_retried_and_not_reported_to_the_chain() -> None:
    first = ScriptedTTS([Break(APIConnectionError())], SPEAKS)
    engine, store = engine_of(first=first, second=ScriptedTTS(SPEAKS))

    await prepare_lines(LINES, engine)

    assert {name for name, _ in store.kept} == {"first"}
    assert len(store.kept) == 4
    assert engine.chain.is_fresh("first")


async def test_after_repeated_failures_the_next_provider_fills_the_cache() -> None:
    first, second = ScriptedTTS([Break()]), ScriptedTTS(SPEAKS)
    engine, store = engine_of(first=first, second=second)

    await prepare_lines(LINES, engine)

    assert len(first.said) == 3
    assert {name for name, _ in store.kept} == {"second"}
    assert engine.chain.is_fresh("first")


async def test_a_refused_key_is_reported_to_the_chain_immediately() -> None:
    first = ScriptedTTS([Break(APIStatusError("no", status_code=401))])
    engine, _ = engine_of(first=first, second=ScriptedTTS(SPEAKS))

    await prepare_lines(LINES, engine)

    assert len(first.said) == 1
    assert not engine.chain.is_fresh("first")


@pytest.mark.parametrize("script", [[Sound(3.0, 0)], [Sound(0.02)], [Sound(60.0)], []], ids=str)
async def test_unusable_audio_is_not_cached(script: list[Sound]) -> None:
    engine, store = engine_of(only=ScriptedTTS(script))

    done = await prepare_lines(LINES, engine)

    assert store.kept == {}
    assert (done.sentences, done.requests) == (0, 3)


async def test_a_full_cache_ends_the_warm_up() -> None:
    voice = ScriptedTTS(SPEAKS)
    engine, store = engine_of(only=voice)
    store.full = True

    done = await prepare_lines(LINES, engine)

    assert len(voice.said) == 1
    assert done.sentences == 0


async def test_the_requests_of_one_job_are_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_warmup, "MOST_CHARACTERS", len(SENTENCES[0] + SENTENCES[1]))
    voice = ScriptedTTS(SPEAKS)
    engine, _ = engine_of(only=voice)

    await prepare_lines(LINES, engine)
    assert voice.said == SENTENCES[:2]

    voice.said.clear()
    monkeypatch.setattr(cache_warmup, "MOST_REQUESTS", 1)
    await prepare_lines(LINES[2:], engine)
    assert voice.said == SENTENCES[2:3]


async def test_a_chain_without_a_cache_gets_no_warm_up_requests() -> None:
    voice = ScriptedTTS(SPEAKS)

    done = await prepare_lines(LINES, ChainTTS(chain_of("tts", only=voice)))

    assert done.requests == 0
    assert voice.said == []


async def test_markup_is_cached_as_it_is_spoken() -> None:
    voice = ScriptedTTS(SPEAKS)
    engine, _ = engine_of(only=voice)

    await prepare_lines(["What is **your** part in it? \U0001f642"], engine)

    assert voice.said == ["What is your part in it?"]


async def test_a_failed_warm_up_does_not_raise_and_logs_no_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    class Broken(MemoryStore):
        async def find(self, provider: str, sentence: str) -> Pcm | None:
            raise RuntimeError(sentence)

    engine = ChainTTS(chain_of("tts", only=ScriptedTTS(SPEAKS)), prepared=Broken())

    done = await prepare_lines(LINES, engine)

    assert done.sentences == 0
    assert "RuntimeError" in caplog.text
    assert "hardest" not in caplog.text
