"""The candidate's audio without gaps, on virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import numpy as np
import pytest
from livekit import rtc
from livekit.agents.voice import io

from tests.support.virtual.stt_fakes import quiet, sound
from worker.audio.frames import frame_of, samples_of
from worker.audio.gapless_input import GaplessInput
from worker.transport.in_memory import FRAME_S

pytestmark = pytest.mark.looptime

LOUD = sound(FRAME_S)[0]


class Source(io.AudioInput):
    """Gives the frames that a test queues."""

    def __init__(self) -> None:
        super().__init__(label="source")
        self.frames: asyncio.Queue[rtc.AudioFrame | None] = asyncio.Queue()
        self.attached: list[bool] = []

    async def __anext__(self) -> rtc.AudioFrame:
        if (frame := await self.frames.get()) is None:
            raise StopAsyncIteration
        return frame

    def on_attached(self) -> None:
        self.attached.append(True)

    def on_detached(self) -> None:
        self.attached.append(False)


class Receiver:
    """Records the received audio and its times."""

    def __init__(self, matters: Callable[[], bool] = lambda: True) -> None:
        self.source = Source()
        self.gaps: list[float] = []
        self.input = GaplessInput(self.source, matters=matters, on_gap=self.gaps.append)
        self.heard: list[tuple[float, bool]] = []
        self.listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for frame in self.input:
            now = asyncio.get_running_loop().time()
            self.heard.append((now, bool(samples_of(frame).any())))

    async def comes(self, frames: list[rtc.AudioFrame]) -> None:
        """Deliver these frames in real time."""
        for frame in frames:
            self.source.frames.put_nowait(frame)
            await asyncio.sleep(FRAME_S)

    async def end(self) -> None:
        """End the source."""
        self.source.frames.put_nowait(None)
        await self.listening


async def test_frames_are_passed_on_as_they_arrive() -> None:
    receiver = Receiver()
    await receiver.comes([LOUD] * 50)
    await receiver.end()
    assert [loud for _, loud in receiver.heard] == [True] * 50
    assert receiver.heard[-1][0] - receiver.heard[0][0] == pytest.approx(49 * FRAME_S)
    assert receiver.gaps == []


async def test_missing_frames_are_replaced_by_silence_in_real_time() -> None:
    receiver = Receiver()
    await receiver.comes([LOUD])
    began_at = receiver.heard[0][0]
    await asyncio.sleep(10.0)
    made_up = [at for at, loud in receiver.heard if not loud]
    await receiver.comes([LOUD])
    await receiver.end()

    assert made_up[0] - began_at == pytest.approx(0.5)
    assert len(made_up) == pytest.approx(9.5 / FRAME_S, abs=2)
    assert [loud for _, loud in receiver.heard[-1:]] == [True]
    assert receiver.gaps == [pytest.approx(10.0 + FRAME_S, abs=0.03)]


async def test_a_pause_of_less_than_half_a_second_counts_as_late_audio() -> None:
    receiver = Receiver()
    await receiver.comes([LOUD])
    await asyncio.sleep(0.4)
    await receiver.comes([LOUD] * 3)
    await receiver.end()
    assert [loud for _, loud in receiver.heard] == [True] * 4
    assert receiver.gaps == []


async def test_no_silence_is_inserted_before_the_first_frame() -> None:
    receiver = Receiver()
    await asyncio.sleep(60.0)
    assert receiver.heard == []
    await receiver.end()


async def test_a_gap_without_speech_is_not_reported() -> None:
    receiver = Receiver(matters=lambda: False)
    await receiver.comes([LOUD])
    await asyncio.sleep(5.0)
    await receiver.comes([LOUD])
    await receiver.end()
    assert receiver.gaps == []
    assert len(receiver.heard) > 4.0 / FRAME_S


async def test_a_gap_that_lasts_until_the_input_is_detached_is_reported_then() -> None:
    receiver = Receiver()
    await receiver.comes([LOUD])
    await asyncio.sleep(5.0)
    receiver.input.on_detached()
    assert receiver.gaps == [pytest.approx(5.0, abs=0.1)]
    assert receiver.source.attached == [False]
    await receiver.end()


async def test_a_detached_input_gives_no_frames_and_continues_once_attached_again() -> None:
    """As with push-to-talk: the session keeps waiting for the next frame."""
    receiver = Receiver()
    await receiver.comes([LOUD] * 5)
    receiver.input.on_detached()
    await asyncio.sleep(30.0)
    assert len(receiver.heard) == 5
    receiver.input.on_attached()
    await receiver.comes([LOUD] * 5)
    await receiver.end()
    assert [loud for _, loud in receiver.heard] == [True] * 10
    assert receiver.gaps == []


async def test_the_time_of_the_last_sound_is_recorded() -> None:
    receiver = Receiver()
    await receiver.comes([LOUD])
    sound_at = receiver.heard[0][0]
    await receiver.comes(quiet(3.0))
    assert receiver.input.sound_at == pytest.approx(sound_at)
    await receiver.end()


async def test_a_cancelled_reader_leaves_no_task_running() -> None:
    receiver = Receiver()
    await receiver.comes([LOUD])
    receiver.input.on_detached()
    receiver.listening.cancel()
    await asyncio.gather(receiver.listening, return_exceptions=True)
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "steady-input"]


# --- digital silence ---------------------------------------------------------------------------

ZEROS = [frame_of(np.zeros(len(samples_of(LOUD)), np.int16), LOUD.sample_rate)]


async def test_a_microphone_that_gives_only_digital_silence_has_never_been_live() -> None:
    receiver = Receiver()
    await receiver.comes(ZEROS * 100)
    assert receiver.input.live_at == -math.inf
    await receiver.end()


async def test_the_noise_of_a_quiet_room_shows_that_a_microphone_is_live() -> None:
    receiver = Receiver()
    await receiver.comes([*quiet(1.0), *ZEROS * 40])
    now = asyncio.get_running_loop().time()
    assert receiver.input.live_at == pytest.approx(now - 40 * FRAME_S, abs=2 * FRAME_S)
    assert not receiver.input.is_gated
    await receiver.end()


async def test_sound_after_digital_silence_shows_a_client_that_replaces_quiet_sound() -> None:
    receiver = Receiver()
    await receiver.comes([*ZEROS * 40, *quiet(0.5)])
    assert not receiver.input.is_gated
    await receiver.comes([*ZEROS * 40, LOUD])
    assert receiver.input.is_gated
    await receiver.end()
