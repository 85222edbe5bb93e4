"""The candidate's audio without gaps, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from livekit import rtc
from livekit.agents.voice import io

from tests.support.virtual.stt_fakes import FRAME_S, quiet, sound
from worker.audio.frames import samples_of
from worker.audio.gapless_input import GaplessInput

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


class Ear:
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


async def test_what_comes_is_passed_on_as_it_comes() -> None:
    ear = Ear()
    await ear.comes([LOUD] * 50)
    await ear.end()
    assert [loud for _, loud in ear.heard] == [True] * 50
    assert ear.heard[-1][0] - ear.heard[0][0] == pytest.approx(49 * FRAME_S)
    assert ear.gaps == []


async def test_silence_is_given_in_real_time_where_nothing_comes() -> None:
    ear = Ear()
    await ear.comes([LOUD])
    began_at = ear.heard[0][0]
    await asyncio.sleep(10.0)
    made_up = [at for at, loud in ear.heard if not loud]
    await ear.comes([LOUD])
    await ear.end()

    assert made_up[0] - began_at == pytest.approx(0.5)
    assert len(made_up) == pytest.approx(9.5 / FRAME_S, abs=2)
    assert [loud for _, loud in ear.heard[-1:]] == [True]
    assert ear.gaps == [pytest.approx(10.0 + FRAME_S, abs=0.03)]


async def test_a_pause_of_less_than_half_a_second_is_only_late_audio() -> None:
    ear = Ear()
    await ear.comes([LOUD])
    await asyncio.sleep(0.4)
    await ear.comes([LOUD] * 3)
    await ear.end()
    assert [loud for _, loud in ear.heard] == [True] * 4
    assert ear.gaps == []


async def test_nothing_is_made_up_before_anything_came() -> None:
    ear = Ear()
    await asyncio.sleep(60.0)
    assert ear.heard == []
    await ear.end()


async def test_a_gap_in_which_nobody_spoke_is_not_told() -> None:
    ear = Ear(matters=lambda: False)
    await ear.comes([LOUD])
    await asyncio.sleep(5.0)
    await ear.comes([LOUD])
    await ear.end()
    assert ear.gaps == []
    assert len(ear.heard) > 4.0 / FRAME_S


async def test_a_gap_that_lasts_until_nobody_listens_is_told_then() -> None:
    ear = Ear()
    await ear.comes([LOUD])
    await asyncio.sleep(5.0)
    ear.input.on_detached()
    assert ear.gaps == [pytest.approx(5.0, abs=0.1)]
    assert ear.source.attached == [False]
    await ear.end()


async def test_whoever_is_detached_for_a_while_is_given_nothing_and_hears_on() -> None:
    """As with push-to-talk: the session keeps waiting for the next frame."""
    ear = Ear()
    await ear.comes([LOUD] * 5)
    ear.input.on_detached()
    await asyncio.sleep(30.0)
    assert len(ear.heard) == 5
    ear.input.on_attached()
    await ear.comes([LOUD] * 5)
    await ear.end()
    assert [loud for _, loud in ear.heard] == [True] * 10
    assert ear.gaps == []


async def test_it_knows_when_there_was_a_sound() -> None:
    ear = Ear()
    await ear.comes([LOUD])
    sound_at = ear.heard[0][0]
    await ear.comes(quiet(3.0))
    assert ear.input.sound_at == pytest.approx(sound_at)
    await ear.end()


async def test_whoever_stops_listening_leaves_nothing_behind() -> None:
    ear = Ear()
    await ear.comes([LOUD])
    ear.input.on_detached()
    ear.listening.cancel()
    await asyncio.gather(ear.listening, return_exceptions=True)
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "steady-input"]
