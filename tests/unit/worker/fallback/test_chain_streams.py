"""STT, TTS and language models over a fallback chain, through livekit's interfaces."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from livekit.agents import APIConnectionError, APIStatusError, llm, stt, tts

from states import Status
from tests.support.virtual.provider_fakes import HANGS, FakeLLM, FakeSTT, FakeTTS, chain_of, in_turn
from worker.audio.frames import frame_of
from worker.fallback.failure import NoProviderLeft
from worker.fallback.llm import ChainLLM
from worker.speech.stt.fallback import ChainSTT
from worker.speech.tts.fallback import ChainTTS

pytestmark = pytest.mark.looptime

TWO_SENTENCES = "Thank you for telling me all of that. What would you do differently today?"
REFUSED = APIStatusError("refused", status_code=401)
AWAY = APIConnectionError()


# --- text to speech ---------------------------------------------------------------------------


async def speak(engine: ChainTTS, text: str = TWO_SENTENCES) -> float:
    """Return the seconds of audio received."""
    async with engine.stream() as stream:
        stream.push_text(text)
        stream.end_input()
        return sum([event.frame.duration async for event in stream])


async def test_each_sentence_is_spoken_by_the_first_choice() -> None:
    first, second = FakeTTS(), FakeTTS()

    seconds = await speak(ChainTTS(chain_of("tts", first=first, second=second)))

    assert " ".join(first.said) == TWO_SENTENCES
    assert len(first.said) == 2
    assert second.said == []
    assert seconds == pytest.approx(2.25)  # with a pause between the sentences


async def test_a_sentence_refused_by_one_provider_is_spoken_by_the_next() -> None:
    second = FakeTTS()
    chain = chain_of("tts", first=FakeTTS(in_turn(REFUSED)), second=second)

    await speak(ChainTTS(chain))

    assert " ".join(second.said) == TWO_SENTENCES
    assert chain.condition().reason == "Fallback"


@pytest.mark.parametrize("first", [HANGS, AWAY, ValueError("a bug in a plugin")], ids=repr)
async def test_the_next_provider_speaks_after_any_kind_of_failure(first: BaseException) -> None:
    second = FakeTTS()

    await speak(ChainTTS(chain_of("tts", first=FakeTTS(in_turn(first)), second=second)))

    assert " ".join(second.said) == TWO_SENTENCES


async def test_empty_audio_is_a_failure() -> None:
    second = FakeTTS()

    await speak(ChainTTS(chain_of("tts", first=FakeTTS(seconds=0.0), second=second)))

    assert " ".join(second.said) == TWO_SENTENCES


async def test_the_error_without_a_provider_left_does_not_quote_the_text() -> None:
    chain = chain_of("tts", only=FakeTTS(in_turn(AWAY)))

    with pytest.raises(NoProviderLeft) as caught:
        await speak(ChainTTS(chain))

    assert "differently" not in str(caught.value)
    assert chain.condition().status is Status.LOST


@pytest.mark.row("S6")
async def test_a_provider_that_could_not_be_created_speaks_once_it_can_be() -> None:
    voice = FakeTTS()
    constructor = in_turn(OSError("no"), None)
    engine = ChainTTS(chain_of("tts", only=lambda: constructor() or voice))

    with pytest.raises(NoProviderLeft):
        await speak(engine)
    await speak(engine)

    assert " ".join(voice.said) == TWO_SENTENCES
    assert engine.chain.condition().status is Status.READY


async def test_synthesize_uses_the_chain_too() -> None:
    voice = FakeTTS()

    async with ChainTTS(chain_of("tts", only=voice)).synthesize("Good morning to you.") as stream:
        frame = await stream.collect()

    assert voice.said == ["Good morning to you."]
    assert frame.sample_rate == 24_000


async def test_an_interrupted_tts_stream_leaves_nothing_behind() -> None:
    stream = ChainTTS(chain_of("tts", only=FakeTTS(in_turn(HANGS)))).stream()
    stream.push_text("What would you do differently today? ")
    await asyncio.sleep(1)
    await stream.aclose()


# --- speech to text ---------------------------------------------------------------------------


def frame() -> Any:
    return frame_of(np.zeros(320, np.int16), 16_000)


async def listen(stream: stt.RecognizeStream, frames: int) -> list[str]:
    """Push `frames` frames, one a second, and return the transcripts."""
    texts: list[str] = []

    async def take() -> None:
        async for event in stream:
            texts.extend(alternative.text for alternative in event.alternatives)

    taking = asyncio.create_task(take())
    for _ in range(frames):
        stream.push_frame(frame())
        await asyncio.sleep(1)
    stream.end_input()
    await taking
    return texts


async def test_the_first_choice_transcribes_until_the_audio_ends() -> None:
    first, second = FakeSTT(), FakeSTT()
    engine = ChainSTT(chain_of("stt", first=first, second=second))

    async with engine.stream() as stream:
        assert await listen(stream, 2) == ["frame", "frame"]

    assert (first.streams, second.streams) == (1, 0)


async def test_the_next_stt_provider_takes_over_after_a_failure() -> None:
    second = FakeSTT()
    chain = chain_of("stt", first=FakeSTT(in_turn(REFUSED)), second=second)

    async with ChainSTT(chain).stream() as stream:
        heard = await listen(stream, 4)

    assert heard
    assert chain.condition().reason == "Fallback"


async def test_an_stt_stream_without_a_provider_left_waits_and_retries() -> None:
    first = FakeSTT(in_turn(AWAY, AWAY, None))
    chain = chain_of("stt", first=first)
    said: list[Status] = []
    chain.on_change = lambda condition: said.append(condition.status)

    async with ChainSTT(chain).stream() as stream:
        heard = await listen(stream, 30)

    assert heard
    assert said == [Status.LOST, Status.READY]
    assert first.streams == 3


async def test_a_stream_that_breaks_after_working_is_reopened_with_the_same_provider() -> None:
    first, second = FakeSTT(in_turn(*[None] * 15, AWAY, None)), FakeSTT()
    chain = chain_of("stt", first=first, second=second)

    async with ChainSTT(chain).stream() as stream:
        heard = await listen(stream, 20)

    assert len(heard) == 20
    assert (first.streams, second.streams) == (2, 0)


async def test_a_recording_is_recognised_by_the_first_working_provider() -> None:
    chain = chain_of("stt", first=FakeSTT(in_turn(REFUSED)), second=FakeSTT())

    event = await ChainSTT(chain).recognize([frame()])

    assert event.alternatives[0].text == "recognised"


async def test_closing_an_open_stt_stream_leaves_nothing_behind() -> None:
    stream = ChainSTT(chain_of("stt", first=FakeSTT(in_turn(HANGS)))).stream()
    stream.push_frame(frame())
    await asyncio.sleep(1)
    await stream.aclose()


# --- language models --------------------------------------------------------------------------


async def reply(engine: ChainLLM) -> str:
    async with engine.chat(chat_ctx=llm.ChatContext.empty()) as stream:
        return "".join([chunk.delta.content or "" async for chunk in stream if chunk.delta])


def chain_llm(**engines: FakeLLM) -> ChainLLM:
    return ChainLLM(chain_of("llm", **engines), first_word_s=1.5)


async def test_the_first_language_model_replies() -> None:
    assert await reply(chain_llm(first=FakeLLM("Thank ", "you."), second=FakeLLM("no"))) == (
        "Thank you."
    )


@pytest.mark.parametrize("first", [HANGS, AWAY, REFUSED, ValueError("a bug")], ids=repr)
async def test_the_next_language_model_replies_when_the_first_fails(first: BaseException) -> None:
    engine = chain_llm(first=FakeLLM(fate=in_turn(first)), second=FakeLLM("Yes."))

    assert await reply(engine) == "Yes."


async def test_an_empty_reply_is_a_failure() -> None:
    assert await reply(chain_llm(first=FakeLLM(), second=FakeLLM("Yes."))) == "Yes."


async def test_without_a_model_left_the_resource_is_reported_lost() -> None:
    engine = chain_llm(only=FakeLLM(fate=in_turn(AWAY)))

    with pytest.raises(NoProviderLeft):
        await reply(engine)

    assert engine.chain.condition().status is Status.LOST


# --- all of them ------------------------------------------------------------------------------


async def test_closing_closes_the_providers() -> None:
    voice, ear, model = FakeTTS(), FakeSTT(), FakeLLM()
    engines: list[stt.STT[Any] | tts.TTS[Any] | llm.LLM[Any]] = [
        ChainTTS(chain_of("tts", only=voice)),
        ChainSTT(chain_of("stt", only=ear)),
        chain_llm(only=model),
    ]
    for engine in engines:
        next(engine.chain.candidates())  # type: ignore[union-attr]  # all three have one
        await engine.aclose()

    assert voice.closed
    assert ear.closed
    assert model.closed


async def test_a_model_that_cools_down_is_not_waited_for() -> None:
    model = FakeLLM("I", " see.", fate=in_turn(HANGS, None))
    engine = chain_llm(first=model)
    for waited_s in (1.5, 0.0):
        began = asyncio.get_running_loop().time()
        with pytest.raises(NoProviderLeft):
            await reply(engine)
        assert asyncio.get_running_loop().time() - began == pytest.approx(waited_s)
    await asyncio.sleep(60.0)
    assert await reply(engine) == "I see."
    await engine.aclose()
