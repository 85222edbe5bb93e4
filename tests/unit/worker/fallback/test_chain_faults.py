"""Faults injected into a provider's call: the chain detects them, and the next provider serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from livekit.agents import llm

from tests.support.virtual.provider_fakes import FakeLLM, FakeTTS, chain_of
from tests.support.virtual.stt_fakes import CountingSTT, Listener, LoudnessVAD, quiet, spoken
from worker import faults
from worker.fallback.failure import NoProviderLeft
from worker.fallback.llm import ChainLLM
from worker.faults.grammar import Fault
from worker.faults.points import Kind
from worker.speech.stt.fallback import ChainSTT
from worker.speech.tts.fallback import ChainTTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.fallback.chain import ProviderChain

pytestmark = pytest.mark.looptime

SENTENCE = "Thank you for telling me all of that."
ANSWER = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

#: All kinds that spoil a delivery; `slow` is here slower than the chain's patience.
SPOILED = [Kind.RAISE, Kind.CLOSE, Kind.HANG, Kind.SLOW, Kind.EMPTY, Kind.GARBAGE]


@pytest.fixture(autouse=True)
def nothing_stays_armed() -> Iterator[None]:
    yield
    faults.arm(())


def inject(point: str, kind: Kind, name: str = "first", nth: int | None = None) -> None:
    faults.arm([Fault(point=point, name=name, kind=kind, slow_s=30.0, nth=nth)])


async def speak(chain: ProviderChain[Any]) -> None:
    async with ChainTTS(chain).stream() as stream:
        stream.push_text(SENTENCE)
        stream.end_input()
        async for _ in stream:
            pass


async def reply(chain: ProviderChain[Any]) -> str:
    engine = ChainLLM(chain, first_word_s=1.5)
    async with engine.chat(chat_ctx=llm.ChatContext.empty()) as stream:
        chunks = [chunk async for chunk in stream]
    return "".join(chunk.delta.content or "" for chunk in chunks if chunk.delta)


@pytest.mark.parametrize("kind", SPOILED)
async def test_an_injected_tts_fault_makes_the_next_provider_speak(kind: Kind) -> None:
    second = FakeTTS(seconds=2.5)
    inject("tts", kind)
    chain = chain_of("tts", first=FakeTTS(seconds=2.5), second=second)
    await speak(chain)
    assert second.said == [SENTENCE]
    assert chain.condition().reason == "Fallback"
    await chain.aclose()


@pytest.mark.parametrize("kind", [Kind.RAISE, Kind.CLOSE, Kind.HANG, Kind.SLOW, Kind.EMPTY])
async def test_an_injected_llm_fault_makes_the_next_provider_reply(kind: Kind) -> None:
    inject("llm", kind)
    chain = chain_of("llm", first=FakeLLM("Wrong."), second=FakeLLM("And ", "then?"))
    assert await reply(chain) == "And then?"
    await chain.aclose()


async def test_a_garbage_fault_makes_the_language_model_reply_nonsense() -> None:
    """The chain does not judge text; the interviewer's own checks do."""
    inject("llm", Kind.GARBAGE)
    chain = chain_of("llm", first=FakeLLM("And then?"))
    said = await reply(chain)
    assert "then" not in said
    assert len(said) > 1000
    await chain.aclose()


@pytest.mark.row("B11")
@pytest.mark.parametrize("kind", [Kind.RAISE, Kind.CLOSE, Kind.HANG, Kind.EMPTY])
async def test_an_injected_stt_fault_loses_no_word(
    kind: Kind,
) -> None:
    inject("stt", kind)
    chain = chain_of("stt", first=CountingSTT(), second=CountingSTT())
    engine = ChainSTT(chain, detector=LoudnessVAD())
    listener = Listener(engine)
    await listener.hear(quiet(1), spoken(ANSWER), quiet(2))
    await listener.end()
    await engine.aclose()
    assert listener.words == ANSWER


async def test_one_fault_can_hit_every_tts_provider() -> None:
    inject("tts", Kind.RAISE, name="")
    chain = chain_of("tts", first=FakeTTS(seconds=2.5), second=FakeTTS(seconds=2.5))
    with pytest.raises(NoProviderLeft):
        await speak(chain)
    await chain.aclose()


async def test_a_fault_can_hit_only_the_second_sentence() -> None:
    second = FakeTTS(seconds=2.5)
    inject("tts", Kind.CLOSE, nth=2)
    chain = chain_of("tts", first=FakeTTS(seconds=2.5), second=second)
    await speak(chain)
    await speak(chain)
    assert second.said == [SENTENCE]
    await chain.aclose()
