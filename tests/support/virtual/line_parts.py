"""Audio output that plays at once, or when the test plays it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from worker.audio.clip import Clip
from worker.audio.frames import frame_of, samples_of
from worker.audio.output import MixedAudioOutput
from worker.audio.sinks import QUEUE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from livekit import rtc

    from worker.audio.dsp import Pcm

RATE = 24_000


class HandSink:
    """Audio sink that plays at once, or when the test calls `play` or `play_out`."""

    sample_rate = RATE
    capacity_s = QUEUE_S
    aside_s = 0.0

    def __init__(self, *, plays_at_once: bool = True, has_listener: bool = True) -> None:
        self.plays_at_once = plays_at_once
        self.heard: list[Pcm] = []
        self.queue: list[Pcm] = []
        self.fails = False
        self.opened = 0
        self.closed = False
        self.fed = asyncio.Event()
        self.listener = asyncio.Event()
        if has_listener:
            self.listener.set()

    @property
    def queued_s(self) -> float:
        return sum(len(pcm) for pcm in self.queue) / RATE

    @property
    def heard_pcm(self) -> Pcm:
        return np.concatenate([np.zeros(0, np.int16), *self.heard])

    async def open(self, room: rtc.Room | None) -> None:
        self.opened += 1

    async def wait_for_listener(self) -> None:
        await self.listener.wait()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self.fails:
            raise OSError("no audio device")
        assert not self.closed
        assert self.queued_s + frame.duration <= self.capacity_s + 1e-6
        self.queue.append(samples_of(frame))
        if self.plays_at_once:
            self.play_out()
        self.fed.set()

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        if self.queue:
            return False
        self.heard.append(samples_of(frame))
        return True

    def play(self, seconds: float) -> None:
        """Play `seconds` of the queued audio."""
        queued = np.concatenate(self.queue)
        count = round(seconds * RATE)
        self.heard.append(queued[:count])
        self.queue = [queued[count:]]

    def play_out(self) -> None:
        """Play all queued audio."""
        self.heard += self.queue
        self.queue.clear()

    def clear(self) -> None:
        self.queue.clear()

    async def aclose(self) -> None:
        self.closed = True

    async def wait_until_full(self) -> None:
        while self.queued_s < QUEUE_S - 0.001:
            self.fed.clear()
            await self.fed.wait()


def tone(seconds: float, value: int) -> Pcm:
    """Return audio that a test can identify by its value."""
    return np.full(round(seconds * RATE), value, np.int16)


def clip_of(pcm: Pcm) -> Clip:
    return Clip(name="tone", text="", pcm=pcm, sample_rate=RATE)


async def say(line: MixedAudioOutput, pcm: Pcm, *, sample_rate: int = RATE) -> None:
    """Send one utterance to the audio output, as the session does."""
    await line.capture_frame(frame_of(pcm, sample_rate))
    line.flush()


@pytest.fixture
async def sink() -> HandSink:
    return HandSink()


@pytest.fixture
async def line(sink: HandSink) -> AsyncIterator[MixedAudioOutput]:
    """Yield a published audio output that plays at once."""
    line = MixedAudioOutput(sink)
    await line.publish()
    yield line
    await line.aclose()


@pytest.fixture
async def held() -> HandSink:
    return HandSink(plays_at_once=False)


@pytest.fixture
async def held_line(held: HandSink) -> AsyncIterator[MixedAudioOutput]:
    """Yield a published audio output that plays when the test plays it."""
    line = MixedAudioOutput(held)
    await line.publish()
    yield line
    await line.aclose()
