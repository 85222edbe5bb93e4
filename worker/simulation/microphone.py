"""A virtual microphone, which delivers frames in real time, also while no one speaks."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Final

import numpy as np

from worker.simulation.audio_analysis import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from worker.audio.dsp import Pcm

FRAME_S = 0.02
FRAME_SAMPLES = round(FRAME_S * SAMPLE_RATE)
#: Longest acceptable delay of a frame, in seconds. With longer delays, a speech recogniser made ten
#: errors in 66 words and split answers in two (measured), so a test with longer delays proves
#: nothing.
LATE_S = 0.1
#: Largest sample of the noise of a quiet room: about -72 dB. The recognizer of a stand-in took
#: louder noise for words (seen once, on a busy machine).
_NOISE: Final = 8


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """The start and the end of an utterance, in seconds.

    If `Microphone.say` returned the object, the times are read from the event loop's clock. If
    `SimulatedCandidate.say` returned the object, the times count from the moment at which the
    candidate joined.
    """

    start_s: float
    end_s: float


class _Utterance:
    def __init__(self, samples: Pcm) -> None:
        whole = -(-len(samples) // FRAME_SAMPLES) * FRAME_SAMPLES
        self.frames = np.zeros(whole, np.int16).reshape(-1, FRAME_SAMPLES)
        self.frames.reshape(-1)[: len(samples)] = samples
        self.next = 0
        self.started_s = 0.0
        self.done: asyncio.Future[Spoken] = asyncio.get_running_loop().create_future()


def _room_noise() -> list[Pcm]:
    """Return a second of the noise of a quiet room, in frames."""
    random = np.random.default_rng(1)
    frames = random.integers(-_NOISE, _NOISE + 1, (round(1 / FRAME_S), FRAME_SAMPLES))
    return list(frames.astype(np.int16))


class Microphone:
    """Delivers a frame of 20 ms every 20 ms, like real hardware, also during silence.

    Between utterances the microphone delivers the noise of a quiet room (-72 dB), because a
    microphone that gives digital silence counts as muted.

    Args:
        deliver: Called with each frame, which contains 48 kHz mono samples.
    """

    def __init__(self, deliver: Callable[[Pcm], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._waiting: deque[_Utterance] = deque()
        self._task: asyncio.Task[None] | None = None
        self.late_frames = 0

    def open(self) -> None:
        """Start the delivery of frames. An event loop must be running."""
        self._task = asyncio.create_task(self._run(), name="microphone")

    async def close(self) -> None:
        """Stop the delivery of frames. A `say` call that is still waiting raises RuntimeError."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def say(self, samples: Pcm) -> Spoken:
        """Queue 48 kHz samples, wait until all are delivered, and return the start and the end.

        If the call is cancelled, the utterance is cut off.

        Raises:
            RuntimeError: The microphone is not open, or was closed or failed during the speech.
        """
        if self._task is None or self._task.done():
            raise RuntimeError("the microphone is not open")
        if samples.size == 0:
            now_s = asyncio.get_running_loop().time()
            return Spoken(start_s=now_s, end_s=now_s)
        utterance = _Utterance(samples)
        self._waiting.append(utterance)
        try:
            return await utterance.done
        finally:
            if utterance in self._waiting:
                self._waiting.remove(utterance)

    async def _run(self) -> None:
        cause: Exception | None = None
        try:
            await self._deliver_frames()
        except Exception as error:
            cause = error
        finally:
            # Let the `say` calls that are still waiting fail. Only the waiting calls fail; other
            # code notices by the room's events that the candidate has left.
            for utterance in self._waiting:
                if not utterance.done.done():
                    failure = RuntimeError(
                        "the simulated microphone failed"
                        if cause
                        else "the simulated microphone was closed"
                    )
                    failure.__cause__ = cause
                    utterance.done.set_exception(failure)

    async def _deliver_frames(self) -> None:
        loop = asyncio.get_running_loop()
        noise = cycle(_room_noise())
        due_s = loop.time()
        while True:
            late_s = loop.time() - due_s
            if late_s > LATE_S:
                # The overdue frames are delivered from now on, so all of them are late.
                self.late_frames += round(late_s / FRAME_S)
                due_s = loop.time()
            elif late_s < 0:
                await asyncio.sleep(-late_s)
            utterance = self._waiting[0] if self._waiting else None
            await self._deliver(next(noise) if utterance is None else self._next_frame(utterance))
            due_s += FRAME_S
            if utterance is not None and utterance.next == len(utterance.frames):
                self._finish(utterance)

    def _next_frame(self, utterance: _Utterance) -> Pcm:
        if utterance.next == 0:
            utterance.started_s = asyncio.get_running_loop().time()
        frame: Pcm = utterance.frames[utterance.next]
        utterance.next += 1
        return frame

    def _finish(self, utterance: _Utterance) -> None:
        if utterance.done.done():
            return
        end_s = asyncio.get_running_loop().time() + FRAME_S
        utterance.done.set_result(Spoken(start_s=utterance.started_s, end_s=end_s))
        self._waiting.remove(utterance)
