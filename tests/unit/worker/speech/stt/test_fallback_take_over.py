"""A takeover after any failure of an STT provider: every word is transcribed exactly once."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import APIConnectionError, APIStatusError
from livekit.agents.stt import SpeechEventType

from states import Status
from tests.support.virtual.provider_fakes import HANGS, chain_of, in_turn
from tests.support.virtual.stt_fakes import (
    CountingSTT,
    Listener,
    LoudnessVAD,
    quiet,
    spoken,
    working_for,
)
from tests.support.virtual.stt_room import ANSWER, Room
from worker.speech.stt.fallback import ChainSTT

pytestmark = pytest.mark.looptime

AWAY = APIConnectionError()
REFUSED = APIStatusError("refused", status_code=401)


@pytest.mark.row("B7")
async def test_the_next_provider_transcribes_what_the_first_one_did_not() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT())

    await room.hear(quiet(1), spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert room.said == [(Status.READY, "Fallback")]
    assert room.conditions[0].message == "second serves; first: NoText"
    assert room.faults == [("first", "NoText")]


@pytest.mark.row("B7")
async def test_the_next_provider_takes_over_two_seconds_after_speech_began() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT())

    await room.hear(quiet(1), spoken(ANSWER))
    first_text_at = next(at for at, event in room.listener.events if event.alternatives)
    await room.ends()

    assert first_text_at == pytest.approx(3.0, abs=0.1)


@pytest.mark.row("B7")
@pytest.mark.parametrize("seconds", [1.2, 1.5, 2.0, 3.0, 4.0, 5.8])
async def test_a_provider_that_stops_transcribing_midway_loses_no_word(seconds: float) -> None:
    room = Room(first=CountingSTT(deaf_after_s=seconds), second=CountingSTT())

    await room.hear(spoken([1, 2]), quiet(1), spoken([3, 4, 5, 6]), quiet(4))

    assert await room.ends() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seconds", [0.05, 0.2, 1.2, 1.5, 2.0, 3.0, 4.0])
async def test_a_provider_that_raises_midway_loses_no_word(seconds: float) -> None:
    fate = in_turn(*working_for(seconds), AWAY)
    room = Room(first=CountingSTT(fate), second=CountingSTT())

    await room.hear(spoken([1, 2]), quiet(1), spoken([3, 4, 5, 6]), quiet(4))

    assert await room.ends() == [1, 2, 3, 4, 5, 6]


async def test_a_provider_that_breaks_after_long_service_gets_the_audio_again() -> None:
    first = CountingSTT(in_turn(*working_for(12.0), AWAY, None))
    room = Room(first=first, second=CountingSTT())

    await room.hear(quiet(11), spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert first.streams == 2
    assert room.said == []
    assert room.faults == [("first", "ProviderAway")]


async def test_a_chain_of_one_provider_retries_with_a_new_stream() -> None:
    only = CountingSTT(deaf_after_s=2.0)
    room = Room(only=only)

    await room.hear(spoken([1]), quiet(2), spoken([2]), quiet(4))

    assert await room.ends() == [1, 2]
    assert room.said == []
    assert room.faults == [("only", "NoText")]


async def test_a_provider_that_always_stops_after_a_first_word_is_not_retried_forever() -> None:
    only = CountingSTT(deaf_after_s=1.4)
    room = Room(only=only)

    await room.hear(quiet(2), spoken([1]), quiet(30))
    await room.ends()

    assert only.streams < 10


async def test_after_two_different_failures_the_third_provider_takes_over() -> None:
    room = Room(
        first=CountingSTT(deaf=True), second=CountingSTT(in_turn(REFUSED)), third=CountingSTT()
    )

    await room.hear(spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert room.conditions[-1].message == "third serves; first: NoText; second: KeyRefused"


async def test_two_providers_without_transcripts_are_detected_by_the_third() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT(deaf=True), third=CountingSTT())

    await room.hear(spoken(ANSWER), quiet(3))

    assert await room.ends() == ANSWER
    assert room.faults == [("first", "NoText"), ("second", "NoText")]
    assert room.said == [(Status.READY, "Fallback")]


async def test_a_provider_that_never_connects_is_replaced_like_one_without_transcripts() -> None:
    room = Room(first=CountingSTT(in_turn(HANGS)), second=CountingSTT())

    await room.hear(spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER


@pytest.mark.parametrize("broken", [False, True], ids=["without a VAD", "with a broken VAD"])
async def test_loudness_alone_detects_a_provider_without_transcripts(broken: bool) -> None:
    detector = LoudnessVAD()
    detector.fate = "raises"
    engine = ChainSTT(
        chain_of("stt", first=CountingSTT(deaf=True), second=CountingSTT()),
        detector=detector if broken else None,
    )
    listener = Listener(engine)

    await listener.hear(quiet(1), spoken(ANSWER), quiet(3))
    await listener.end()

    assert listener.words == ANSWER


async def test_late_transcripts_of_a_replaced_provider_are_not_duplicated() -> None:
    room = Room(first=CountingSTT(interims=False, delay_s=3.0), second=CountingSTT())

    await room.hear(spoken(ANSWER), quiet(10))

    assert await room.ends() == ANSWER


async def test_without_interim_results_the_timeout_starts_at_the_end_of_speech() -> None:
    second = CountingSTT()
    room = Room(first=CountingSTT(interims=False), second=second)

    await room.hear(spoken(range(1, 41)), quiet(2))

    assert await room.ends() == list(range(1, 41))
    assert second.streams == 0


async def test_a_provider_without_transcripts_or_interim_results_is_detected_after_speech() -> None:
    room = Room(first=CountingSTT(interims=False, deaf=True), second=CountingSTT())

    await room.hear(spoken(ANSWER), quiet(4))

    assert await room.ends() == ANSWER


async def test_speech_during_an_outage_of_all_providers_is_transcribed_later() -> None:
    only = CountingSTT(in_turn(AWAY, AWAY, None))
    room = Room(only=only)

    await room.hear(spoken(ANSWER), quiet(2))

    assert await room.ends() == ANSWER
    assert room.said == [(Status.LOST, "NoProviderLeft"), (Status.READY, "Loaded")]


async def test_a_recovered_first_choice_takes_over_between_turns() -> None:
    first, second = CountingSTT(in_turn(AWAY, None)), CountingSTT()
    room = Room(first=first, second=second)

    await room.hear(spoken([1, 2, 3, 4, 5, 6]), quiet(1), spoken([7, 8]))
    assert room.chain.serving == "second"
    assert first.streams == 1

    await room.hear(quiet(3))
    assert (first.open, second.open) == (1, 0)
    await room.hear(spoken([9, 10]), quiet(1))

    assert await room.ends() == ANSWER
    assert room.said == [(Status.READY, "Fallback"), (Status.READY, "Loaded")]


@pytest.mark.parametrize("pause_s", [1.9, 1.94, 1.98, 2.0, 2.02, 2.06, 2.1])
async def test_speech_that_begins_as_the_first_choice_takes_over_is_complete(
    pause_s: float,
) -> None:
    room = Room(first=CountingSTT(in_turn(AWAY, None)), second=CountingSTT())

    await room.hear(spoken([1, 2, 3]), quiet(pause_s + 0.4), spoken([4, 5]), quiet(4))

    assert await room.ends() == [1, 2, 3, 4, 5]


async def test_a_first_choice_that_recovers_and_fails_again_loses_no_word() -> None:
    first = CountingSTT(in_turn(AWAY, *working_for(1.2), AWAY))
    room = Room(first=first, second=CountingSTT())

    await room.hear(spoken([1, 2]), quiet(5), spoken([3, 4]), quiet(10), spoken([5]), quiet(1))

    assert await room.ends() == [1, 2, 3, 4, 5]


async def test_a_takeover_gives_one_start_and_one_end_of_speech() -> None:
    room = Room(first=CountingSTT(deaf_after_s=0.6), second=CountingSTT())

    await room.hear(spoken(ANSWER), quiet(1))
    await room.ends()

    assert len(room.listener.of(SpeechEventType.START_OF_SPEECH)) == 1
    assert len(room.listener.of(SpeechEventType.END_OF_SPEECH)) == 1
    last = [event.type for _, event in room.listener.events][-2:]
    assert last == [SpeechEventType.FINAL_TRANSCRIPT, SpeechEventType.END_OF_SPEECH]


async def test_word_times_after_a_takeover_count_from_the_beginning_of_the_audio() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT())
    room.listener.stream.start_time_offset = 100.0

    await room.hear(spoken([1, 2, 3]), quiet(3))
    final = room.listener.of(SpeechEventType.FINAL_TRANSCRIPT)[0]
    await room.ends()

    # On virtual time no real time passes: the oldest of 2 s of audio is 2 s older than now.
    assert 99.0 < final.alternatives[0].end_time < 101.0


async def test_audio_that_ends_during_a_takeover_is_transcribed_completely() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT())

    await room.hear(spoken([1, 2]))

    assert await room.ends() == [1, 2]


async def test_closing_during_a_takeover_leaves_no_stream_open() -> None:
    first, second = CountingSTT(deaf=True), CountingSTT()
    engine = ChainSTT(chain_of("stt", first=first, second=second), detector=LoudnessVAD())
    listener = Listener(engine)
    await listener.hear(spoken([1, 2, 3, 4]))

    await listener.stream.aclose()
    await asyncio.sleep(0)

    assert (first.open, second.open) == (0, 0)
