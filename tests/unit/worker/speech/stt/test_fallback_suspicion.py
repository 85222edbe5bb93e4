"""Speech without a transcript: the provider's failure, or no failure at all."""

from __future__ import annotations

import pytest

from states import Status
from tests.support.virtual.stt_fakes import CountingSTT, quiet, sound, spoken
from tests.support.virtual.stt_room import ANSWER, Room

pytestmark = pytest.mark.looptime


@pytest.mark.row("B7")
async def test_a_cough_is_nobodys_failure_and_the_first_choice_listens_again() -> None:
    first, second = CountingSTT(), CountingSTT()
    room = Room(first=first, second=second)

    await room.hear(quiet(1), sound(0.4), quiet(6), spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert (room.said, room.faults) == ([], [])
    assert room.chain.serving == "first"
    assert second.streams == 1


@pytest.mark.parametrize("pause_s", [1.0, 1.6, 2.2, 2.8, 3.2, 3.6, 3.9, 4.2])
async def test_words_that_follow_a_cough_at_any_moment_are_whole_and_blame_nobody(
    pause_s: float,
) -> None:
    room = Room(first=CountingSTT(), second=CountingSTT())

    await room.hear(quiet(1), sound(0.4), quiet(pause_s), spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert room.faults == []


@pytest.mark.parametrize("pause_s", [0.5, 0.7, 0.9, 1.2])
async def test_somebody_who_pauses_often_does_not_hide_a_deaf_provider(pause_s: float) -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT())

    for word in ANSWER:
        await room.hear(spoken([word]), quiet(pause_s))
    first_text_at = next(at for at, event in room.listener.events if event.alternatives)

    assert await room.ends() == ANSWER
    assert first_text_at < 4.2


async def test_a_long_noise_makes_nobody_flap() -> None:
    first, second = CountingSTT(), CountingSTT()
    room = Room(first=first, second=second)

    await room.hear(sound(30), quiet(5))

    assert await room.ends() == []
    assert (room.said, room.faults) == ([], [])
    assert second.streams <= 4


async def test_words_within_a_noise_are_understood_after_it_was_forgiven() -> None:
    room = Room(first=CountingSTT(), second=CountingSTT())

    await room.hear(sound(6), spoken(ANSWER), quiet(1))

    assert await room.ends() == ANSWER
    assert room.said == []


async def test_when_nobody_understands_one_answer_after_the_other_all_are_lost() -> None:
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
