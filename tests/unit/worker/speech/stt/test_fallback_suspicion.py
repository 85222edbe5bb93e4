"""Speech without a transcript: the provider's failure, or no failure at all."""

from __future__ import annotations

import pytest

from states import Status
from tests.support.virtual.stt_fakes import CountingSTT, quiet, sound, spoken
from tests.support.virtual.stt_room import ANSWER, Room

pytestmark = pytest.mark.looptime


@pytest.mark.row("B7")
async def test_a_cough_is_no_failure_and_the_first_choice_serves_again() -> None:
    first, second = CountingSTT(), CountingSTT()
    room = Room(first=first, second=second)

    await room.hear(quiet(1), sound(0.4), quiet(6), spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert (room.said, room.faults) == ([], [])
    assert room.chain.serving == "first"
    assert second.streams == 1


@pytest.mark.parametrize("pause_s", [1.0, 1.6, 2.2, 2.8, 3.2, 3.6, 3.9, 4.2])
async def test_words_after_a_cough_are_complete_and_no_provider_is_blamed(
    pause_s: float,
) -> None:
    room = Room(first=CountingSTT(), second=CountingSTT())

    await room.hear(quiet(1), sound(0.4), quiet(pause_s), spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert room.faults == []


@pytest.mark.parametrize("pause_s", [0.5, 0.7, 0.9, 1.2])
async def test_frequent_pauses_do_not_hide_a_provider_without_transcripts(pause_s: float) -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT())

    for word in ANSWER:
        await room.hear(spoken([word]), quiet(pause_s))
    first_text_at = next(at for at, event in room.listener.events if event.alternatives)

    assert await room.ends() == ANSWER
    assert first_text_at < 4.2


async def test_a_long_noise_does_not_make_the_providers_alternate() -> None:
    first, second = CountingSTT(), CountingSTT()
    room = Room(first=first, second=second)

    await room.hear(sound(30), quiet(5))

    assert await room.ends() == []
    assert (room.said, room.faults) == ([], [])
    assert second.streams <= 4


async def test_words_in_a_noise_are_transcribed_after_a_provider_was_suspected() -> None:
    room = Room(first=CountingSTT(), second=CountingSTT())

    await room.hear(sound(6), spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert room.said == []


async def test_the_resource_is_lost_when_no_provider_transcribes_several_answers() -> None:
    first, second = CountingSTT(deaf=True), CountingSTT(deaf=True)
    room = Room(first=first, second=second)

    for _ in range(3):
        assert room.said == []
        await room.hear(spoken([1, 2, 3]), quiet(10))
    assert room.said == [(Status.LOST, "NoProviderLeft")]

    first.deaf = False
    # Open streams still give no transcript; new streams do.
    await room.hear(spoken([4]), quiet(10), spoken([5]), quiet(5))
    assert await room.ends() == [5]
    assert room.said[-1] == (Status.READY, "Loaded")
