"""The judgement of a TTS provider by its audio, and the switch to the next one without audio."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from livekit.agents import APIConnectionError

from states import Status
from tests.support.virtual.provider_fakes import chain_of
from tests.support.virtual.scripted_voice import (
    HANG,
    SECOND,
    SENTENCE,
    A,
    B,
    Break,
    ScriptedTTS,
    Sound,
    Step,
    Wait,
    chain,
    engine_of,
    failure_in,
    hear,
)
from worker import faults
from worker.fallback.failure import NoProviderLeft
from worker.faults.grammar import parse
from worker.speech.tts.fallback import ChainTTS
from worker.speech.tts.fallback_stream import sentences_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.looptime


@pytest.fixture(autouse=True)
def nothing_stays_armed() -> Iterator[None]:
    yield
    faults.arm(())


async def test_a_working_provider_is_heard_alone_and_completely() -> None:
    voices = chain(Wait(0.3), Sound(2.0, A), Wait(1.5), Sound(2.0, A))

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert heard.levels == [A]
    assert heard.seconds() == pytest.approx(4.0, abs=0.02)
    assert voices.serving == "first"
    assert voices.condition().reason == "Loaded"


@pytest.mark.row("B7")
async def test_a_provider_without_audio_is_replaced_after_the_timeout() -> None:
    voices = chain(HANG)

    heard = await hear(ChainTTS(voices, patience_s=1.0), SENTENCE)

    assert heard.levels == [B]
    assert heard.began(B) == pytest.approx(1.0, abs=0.05)
    assert engine_of(voices, "second").said == [SENTENCE]
    assert "first: ProviderTimeout" in failure_in(voices)


async def test_the_last_provider_has_five_seconds() -> None:
    voices = chain_of("tts", only=ScriptedTTS([Wait(4.9), Sound(4.0, A)]))

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert heard.levels == [A]
    assert voices.condition().reason == "Loaded"


async def test_the_last_provider_fails_after_five_seconds() -> None:
    voices = chain_of("tts", only=ScriptedTTS([Wait(5.1), Sound(4.0, A)]))

    with pytest.raises(NoProviderLeft):
        await hear(ChainTTS(voices), SENTENCE)

    assert voices.condition().status is Status.LOST


@pytest.mark.row("B7")
@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((), "NoAudio"),
        ((Sound(0.0, A),), "NoAudio"),
        ((Sound(0.01, A),), "TooLittleAudio"),
        ((Sound(0.6, 0), Sound(0.6, 0), HANG), "SilentAudio"),
        ((Sound(0.9, 20),), "SilentAudio"),
        ((Break(APIConnectionError()),), "ProviderAway"),
        ((Break(),), "RuntimeError"),
    ],
)
async def test_unusable_audio_is_a_failure_without_delay(
    steps: Sequence[Step], reason: str
) -> None:
    voices = chain(*steps)

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert f"first: {reason}" in failure_in(voices)
    assert heard.levels[-1] == B
    assert heard.began(B) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("shape", [{"rate": 16_000}, {"channels": 2}], ids=str)
async def test_audio_of_another_format_is_a_failure(shape: dict[str, int]) -> None:
    first = ScriptedTTS([Sound(4.0, A)], **shape)
    voices = chain_of("tts", first=first, second=ScriptedTTS(SECOND))

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert heard.levels == [B]
    assert "first: WrongAudioFormat" in failure_in(voices)


@pytest.mark.row("B7")
async def test_endless_audio_is_cut_off_and_not_repeated() -> None:
    voices = chain(*[Sound(1.0, A)] * 1000)

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert heard.levels == [A]
    assert heard.seconds() <= 3.0 + 0.25 * len(SENTENCE)
    assert "first: EndlessAudio" in failure_in(voices) or not voices.is_fresh("first")
    assert engine_of(voices, "second").said == []


async def test_a_long_number_does_not_count_as_endless_audio() -> None:
    voices = chain_of("tts", only=ScriptedTTS([Sound(7.5, A)]))

    await hear(ChainTTS(voices), "2,147,483,647")

    assert voices.is_fresh("only")


async def test_endless_audio_that_arrives_slowly_is_cut_off_too() -> None:
    trickle: list[Step] = [Sound(0.2, A), Wait(0.2)]
    voices = chain(*trickle * 1000)

    await asyncio.wait_for(hear(ChainTTS(voices), SENTENCE), 30)

    assert not voices.is_fresh("first")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("hang", "ProviderTimeout"),
        ("raise", "ProviderFailed"),
        ("close", "ProviderAway"),
        ("empty", "NoAudio"),
        ("garbage", "SilentAudio"),
    ],
)
async def test_an_injected_fault_hits_one_provider(kind: str, reason: str) -> None:
    faults.arm(parse(f"tts.elevenlabs={kind}"))
    voices = chain_of("tts", elevenlabs=ScriptedTTS([Sound(4.0, A)]), local=ScriptedTTS(SECOND))

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert heard.levels == [B]
    assert f"elevenlabs: {reason}" in failure_in(voices)


async def test_silence_before_the_first_sound_is_skipped() -> None:
    voices = chain(Sound(0.4, 0), Sound(4.0, A))

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert heard.seconds(0) <= 0.06
    assert heard.seconds(A) == pytest.approx(4.0, abs=0.02)


@pytest.mark.parametrize("text", ["...", "\u200b", " \u2014 ", "?!", "\U0001f600"])
async def test_a_text_without_words_gives_short_silence_without_a_request(text: str) -> None:
    voices = chain(Break())

    heard = await hear(ChainTTS(voices), text)

    assert heard.seconds() <= 0.3
    assert engine_of(voices, "first").said == []


async def test_an_interruption_leaves_nothing_running() -> None:
    voices = chain(Sound(1.0, A), HANG)
    engine = ChainTTS(voices, patience_s=30.0)
    stream = engine.stream()
    stream.push_text(SENTENCE)
    stream.end_input()
    await anext(stream)
    assert not engine.is_quiet

    await stream.aclose()

    assert engine_of(voices, "first").running == 0
    assert engine.is_quiet
    assert voices.is_fresh("first")


async def test_no_text_is_logged_whatever_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    voices = chain(Sound(1.0, A), Break(), then=[Sound(0.0)])

    with pytest.raises(NoProviderLeft) as caught:
        await hear(ChainTTS(voices), SENTENCE)

    assert "hardest" not in caplog.text + str(caught.value)
    assert "Ada" not in caplog.text + str(caught.value)


@pytest.mark.parametrize("before", ["Yes.", "Thank you.", "I see, thanks!", "That helps a lot."])
@pytest.mark.parametrize(
    "after",
    [
        "What was the hardest part of it?",
        "Please tell me, e.g. by an example, what Dr. Smith did. What was your part in it?",
        "And last, how do you and No. 5 work together? Take your time.",
    ],
)
async def test_a_sentence_is_split_the_same_way_after_any_other_sentence(
    before: str, after: str
) -> None:
    voice = ScriptedTTS([Sound(3.5, A)])

    await hear(ChainTTS(chain_of("tts", only=voice)), f"{before} {after}")

    assert voice.said == [before, *sentences_of(after)]
