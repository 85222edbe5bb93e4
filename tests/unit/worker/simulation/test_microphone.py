"""A microphone that keeps real time, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from worker.simulation.microphone import FRAME_SAMPLES, Microphone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.audio.dsp import Pcm

pytestmark = pytest.mark.looptime


class Room:
    """Takes the microphone's frames, with a configurable delay."""

    def __init__(self) -> None:
        self.frames: list[Pcm] = []
        self.times: list[float] = []
        self.stall_s = 0.0
        self.broken = False

    async def take(self, samples: Pcm) -> None:
        if self.broken:
            raise ConnectionError("the room is gone")
        if self.stall_s:
            stall_s, self.stall_s = self.stall_s, 0.0
            await asyncio.sleep(stall_s)
        self.frames.append(samples)
        self.times.append(asyncio.get_running_loop().time())


@asynccontextmanager
async def opened(room: Room) -> AsyncIterator[Microphone]:
    microphone = Microphone(room.take)
    microphone.open()
    try:
        yield microphone
    finally:
        await microphone.close()


def is_loud(samples: Pcm) -> bool:
    """Return whether the samples are louder than the noise of a quiet room."""
    return int(np.abs(samples).max()) > 100


def loud(frames: float) -> Pcm:
    return np.full(round(frames * FRAME_SAMPLES), 1000, np.int16)


async def test_the_microphone_sends_quiet_noise_in_real_time_between_utterances() -> None:
    room = Room()
    async with opened(room):
        await asyncio.sleep(1.01)
    assert len(room.frames) == 51
    assert np.allclose(np.diff(room.times), 0.02)
    assert all(frame.any() for frame in room.frames)
    assert not is_loud(np.concatenate(room.frames))


async def test_speech_is_sent_in_real_time() -> None:
    async with opened(Room()) as microphone:
        spoken = await microphone.say(loud(100))
    assert spoken.end_s - spoken.start_s == pytest.approx(2.0)
    assert microphone.late_frames == 0


async def test_utterances_arrive_complete_and_in_order() -> None:
    room = Room()
    words = np.arange(101, 2600, dtype=np.int16)
    async with opened(room) as microphone:
        await asyncio.gather(microphone.say(words), microphone.say(-words))
    heard = np.concatenate(room.frames)
    assert heard[heard > 100].tolist() == words.tolist()
    assert heard[heard < -100].tolist() == (-words).tolist()
    assert np.flatnonzero(heard > 100).max() < np.flatnonzero(heard < -100).min()


async def test_a_cancelled_utterance_is_cut_off_and_the_next_one_is_heard() -> None:
    room = Room()
    async with opened(room) as microphone:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(microphone.say(loud(100)), timeout=0.5)
        cut_off = sum(1 for samples in room.frames if is_loud(samples))
        await microphone.say(loud(1))
    assert 20 <= cut_off <= 30
    assert sum(1 for samples in room.frames if is_loud(samples)) == cut_off + 1


async def test_frames_delayed_by_a_stall_are_counted_as_late() -> None:
    room = Room()
    async with opened(room) as microphone:
        await asyncio.sleep(0.5)
        room.stall_s = 1.0
        await asyncio.sleep(2)
        assert 45 <= microphone.late_frames <= 50
        delivered = len(room.frames)
        await asyncio.sleep(1)
    assert len(room.frames) - delivered == 50


async def test_a_short_stall_is_caught_up_and_not_counted() -> None:
    room = Room()
    async with opened(room) as microphone:
        await asyncio.sleep(0.5)
        room.stall_s = 0.08
        await asyncio.sleep(1.51)
    assert microphone.late_frames == 0
    assert len(room.frames) == 101


async def test_an_empty_utterance_returns_immediately() -> None:
    async with opened(Room()) as microphone:
        spoken = await microphone.say(loud(0))
    assert spoken.start_s == spoken.end_s


async def test_a_broken_room_raises_an_error_in_the_current_speaker() -> None:
    room = Room()
    async with opened(room) as microphone:
        room.broken = True
        with pytest.raises(RuntimeError, match="microphone failed"):
            await microphone.say(loud(10))
        with pytest.raises(RuntimeError, match="not open"):
            await microphone.say(loud(10))


async def test_closing_the_microphone_ends_the_wait_of_the_current_speaker() -> None:
    async with opened(Room()) as microphone:
        speaking = asyncio.create_task(microphone.say(loud(100)))
        await asyncio.sleep(0.1)
    with pytest.raises(RuntimeError, match="closed"):
        await speaking
