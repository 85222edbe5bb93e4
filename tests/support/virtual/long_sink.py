"""Audio sink with a long queue, like a LiveKit audio source, on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from tests.support.virtual.job_parts import FastSink
from worker.audio.frames import samples_of
from worker.audio.playout_meter import Playhead
from worker.audio.sinks import LONG_QUEUE_S

if TYPE_CHECKING:
    from livekit import rtc

    from worker.audio.dsp import Pcm

RATE = 24_000


class LongSink(FastSink):
    """Audio sink that plays a long queue by the loop's clock and records the audio heard."""

    capacity_s = LONG_QUEUE_S

    def __init__(self) -> None:
        now = asyncio.get_running_loop().time
        self._now, self._fed, self._aside = now, Playhead(now), Playhead(now)
        self._played: list[tuple[float, Pcm]] = []
        self.takes_s = 0.0

    @property
    def queued_s(self) -> float:  # type: ignore[override]
        return self._fed.left_s

    @property
    def aside_s(self) -> float:  # type: ignore[override]
        return self._aside.left_s

    @property
    def heard(self) -> Pcm:
        """The audio heard so far, without the silences."""
        heard = [pcm[: round((self._now() - began) * RATE)] for began, pcm in self._played]
        return np.concatenate([np.zeros(0, np.int16), *heard])

    @property
    def gaps_s(self) -> list[float]:
        """The silences between the played pieces, in seconds."""
        pairs = zip(self._played, self._played[1:], strict=False)
        return [after - (began + len(pcm) / RATE) for (began, pcm), (after, _) in pairs]

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        assert self.queued_s + frame.duration <= self.capacity_s + 1e-6
        self._played.append((self._now() + self.queued_s, samples_of(frame)))
        self._fed.add(frame.duration)
        await asyncio.sleep(self.takes_s)

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        if min(self._fed.quiet_s, self._aside.quiet_s) < after_s:
            return False
        self._played.append((self._now(), samples_of(frame)))
        self._aside.add(frame.duration)
        return True

    def clear(self) -> None:
        now = self._now()
        heard = [(began, pcm[: max(0, round((now - began) * RATE))]) for began, pcm in self._played]
        self._played = heard
        self._fed.clear()
        self._aside.clear()
