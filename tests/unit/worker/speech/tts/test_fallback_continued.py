"""A TTS provider that breaks off in a sentence: the next one continues at the word reached."""

from __future__ import annotations

import pytest

from tests.support.virtual.provider_fakes import chain_of
from tests.support.virtual.scripted_voice import (
    HANG,
    SECOND,
    SENTENCE,
    A,
    B,
    Break,
    Heard,
    ScriptedTTS,
    Sound,
    Wait,
    chain,
    engine_of,
    hear,
)
from worker.fallback.failure import NoProviderLeft
from worker.speech.tts.fallback import ChainTTS

pytestmark = pytest.mark.looptime


async def test_the_last_provider_is_waited_for_when_it_stalls() -> None:
    voices = chain(Break(), then=[Sound(1.0, B), Wait(4.5), Sound(3.0, B)])

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert heard.levels == [B]
    assert heard.seconds() == pytest.approx(4.0, abs=0.02)


@pytest.mark.row("B7")
async def test_the_next_provider_continues_at_the_word_reached() -> None:
    voices = chain(Sound(2.0, A), Break())

    heard = await hear(ChainTTS(voices), SENTENCE)

    # 2 s at 15 characters a second are "What was the hardest part of t|he".
    assert engine_of(voices, "second").said == [SENTENCE[SENTENCE.index("the project") :]]
    assert heard.levels == [A, B]
    assert heard.seconds(A) == pytest.approx(2.0, abs=0.02)


async def test_the_next_provider_continues_for_one_that_falls_silent() -> None:
    voices = chain(Sound(2.0, A), *[Sound(0.2, 0)] * 100)

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert engine_of(voices, "second").said == [SENTENCE[SENTENCE.index("the project") :]]
    assert heard.levels == [A, B]
    assert heard.seconds(0) <= 2.1


async def test_word_timings_of_a_provider_are_preferred_to_an_estimate() -> None:
    told = Sound(2.0, A, words=(("What ", 0.6), ("was ", 1.2), ("the ", 1.9), ("hardest ", 2.6)))
    voices = chain(told, Break())

    await hear(ChainTTS(voices), SENTENCE)

    assert engine_of(voices, "second").said == [SENTENCE[SENTENCE.index("hardest") :]]


async def test_impossibly_fast_word_timings_are_ignored() -> None:
    told = Sound(0.2, A, words=tuple((f"{word} ", 0.1) for word in SENTENCE.split()))
    voices = chain(told)

    await hear(ChainTTS(voices), SENTENCE)

    assert engine_of(voices, "second").said == [SENTENCE]


async def test_the_pace_of_a_slow_voice_is_learned_from_its_first_sentence() -> None:
    first = ScriptedTTS([Sound(len(SENTENCE) / 10, A)], [Sound(2.0, A), Break()])
    second = ScriptedTTS(SECOND)
    engine = ChainTTS(chain_of("tts", first=first, second=second))

    await hear(engine, SENTENCE)
    await hear(engine, SENTENCE)

    # 20 characters: "What was the hardest| part".
    assert second.said == [SENTENCE[SENTENCE.index("hardest") :]]


async def test_a_stall_within_a_sentence_costs_less_than_half_a_second() -> None:
    voices = chain(Wait(0.2), Sound(1.5, A), HANG)

    heard = await hear(ChainTTS(voices), SENTENCE)

    played_out = 0.2 + 1.5
    assert 0.0 < heard.began(B) - played_out < 0.45
    assert heard.levels == [A, B]


async def test_three_providers_share_a_sentence_and_no_word_is_lost() -> None:
    third = ScriptedTTS([Sound(4.0, 3000)])
    voices = chain_of(
        "tts",
        first=ScriptedTTS([Sound(1.0, A), Break()]),
        second=ScriptedTTS([Sound(1.0, B), HANG]),
        third=third,
    )

    heard = await hear(ChainTTS(voices), SENTENCE)

    assert heard.levels == [A, B, 3000]
    assert third.said == [SENTENCE[SENTENCE.index("of the project") :]]


async def test_a_failed_provider_does_not_delay_the_next_sentence() -> None:
    voices = chain(HANG)
    engine = ChainTTS(voices, patience_s=1.0)

    await hear(engine, f"{SENTENCE} {SENTENCE}")

    assert engine_of(voices, "first").said == [SENTENCE]
    assert engine_of(voices, "second").said == [SENTENCE, SENTENCE]


async def test_audio_received_before_the_last_provider_failed_is_played_to_its_end() -> None:
    voices = chain_of("tts", only=ScriptedTTS([Sound(1.03, A), Break()]))
    heard = Heard()

    with pytest.raises(NoProviderLeft) as caught:
        await hear(ChainTTS(voices), SENTENCE, heard)

    assert heard.seconds(A) == pytest.approx(1.03, abs=0.001)
    assert "hardest" not in str(caught.value)
