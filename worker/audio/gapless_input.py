"""Audio input that fills gaps in the candidate's audio with silence."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from worker.audio.frames import frame_of, samples_of

#: Maximum seconds of one wait for a frame of the candidate's audio.
_LOOK_S: Final = 0.1
#: Number of consecutive waits without a frame after which silence is generated. Waits are counted
#: instead of seconds, because time in which the event loop was blocked proves no gap in the
#: candidate's audio.
_LOOKS: Final = 5
#: Root mean square (full scale is 32768) below which samples count as silence: -50 dB.
_LEAST_SOUND: Final = 104.0
#: Seconds of digital silence between sounds which show that the candidate's client itself replaces
#: quiet sound by digital silence.
_LEAST_GATE_S: Final = 0.5
#: Key in `userdata` that marks a frame of generated silence.
_MADE_UP: Final = "made_up"


def is_made_up(frame: object) -> bool:
    """Return True for a frame of silence that `GaplessInput` has generated."""
    return isinstance(frame, rtc.AudioFrame) and _MADE_UP in frame.userdata


class GaplessInput(io.AudioInput):
    """Audio input that passes on the frames of `source`, and fills gaps with silence.

    After 0.5 s without a frame (`_LOOKS` waits of 0.1 s each), the input generates silence in real
    time. The VAD and the speech-to-text stream need generated silence, because they measure time
    only by the audio that they receive. If the audio stopped during speech, a VAD would never end
    that speech, and the transcript of that speech would never be final. The audio stops at once if
    the candidate's client unpublishes its microphone or leaves (measured). Lost packets do not stop
    the audio, because WebRTC fills them with silence.

    No silence is generated before the first frame, or while no session is attached.

    Args:
        source: The audio as it arrives.
        matters: Decides whether a gap that begins now is reported. A gap outside speech needs no
            report.
        on_gap: Called at the end of a reported gap with the length of the gap, in seconds.
    """

    def __init__(
        self,
        source: io.AudioInput,
        *,
        matters: Callable[[], bool] = lambda: True,
        on_gap: Callable[[float], None] = lambda _: None,
    ) -> None:
        super().__init__(label="GaplessInput", source=source)
        self._from = source
        self._matters = matters
        self._on_gap = on_gap
        self._is_told = False
        self._coming: asyncio.Future[rtc.AudioFrame] | None = None
        self._silence: rtc.AudioFrame | None = None
        self._looks = 0
        # Event loop time at which the next frame of silence is due; None while no silence is
        # generated.
        self._due_at: float | None = None
        self._frame_at = math.inf
        self._attached = True
        self._is_read = False
        #: Event loop time of the last frame that was louder than `_LEAST_SOUND`.
        self.sound_at = -math.inf
        #: Event loop time of the last frame that was not digital silence.
        self.live_at = -math.inf
        #: True once sound came after digital silence: the client replaces quiet sound by digital
        #: silence, which is then no sign of a microphone that is off.
        self.is_gated = False

    @property
    def makes_up(self) -> bool:
        """True while no audio arrives and silence is generated."""
        return self._due_at is not None

    async def __anext__(self) -> rtc.AudioFrame:
        self._is_read = True
        try:
            return await self._next_frame()
        finally:
            self._is_read = False
            self._leave_off()

    def on_attached(self) -> None:
        """Record that a session is attached."""
        super().on_attached()
        self._attached = True

    def on_detached(self) -> None:
        """Record that no session is attached.

        Another session may attach later, so a read that is in progress continues to wait for a
        frame.
        """
        super().on_detached()
        self._attached = False
        self._silence = None
        self._over()
        if not self._is_read:
            self._leave_off()

    def _leave_off(self) -> None:
        if not self._attached and self._coming is not None:
            self._coming.cancel()
            self._coming = None

    async def _next_frame(self) -> rtc.AudioFrame:
        if self._coming is None:
            self._coming = asyncio.create_task(self._next(), name="steady-input")
        coming = self._coming
        while not coming.done():
            wait_s = self._wait_s()
            await asyncio.wait({coming}, timeout=wait_s)
            if not coming.done() and self._silence is not None and self._is_due(wait_s):
                return self._made_up(self._silence)
        self._coming = None
        return self._came(coming.result())

    async def _next(self) -> rtc.AudioFrame:
        return await anext(self._from)

    def _wait_s(self) -> float | None:
        if self._silence is None:
            return None
        if self._due_at is None:
            return _LOOK_S
        return max(0.0, self._due_at - asyncio.get_running_loop().time())

    def _is_due(self, waited_s: float | None) -> bool:
        if self._due_at is not None:
            return True
        self._looks += waited_s is not None
        return self._looks >= _LOOKS

    def _made_up(self, silence: rtc.AudioFrame) -> rtc.AudioFrame:
        now = asyncio.get_running_loop().time()
        if not self.makes_up:
            self._is_told = self._matters()
        # Silence for the time in which the event loop was blocked is not generated afterwards.
        due_at = now if self._due_at is None else max(self._due_at, now - _LOOK_S)
        self._due_at = due_at + silence.duration
        return silence

    def _came(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        self._over()
        self._frame_at = now = asyncio.get_running_loop().time()
        samples = samples_of(frame)
        if samples.size and float(np.sqrt(np.mean(np.square(samples, dtype=float)))) > _LEAST_SOUND:
            self.sound_at = now
        if samples.any():
            self.is_gated |= _LEAST_GATE_S < now - self.live_at < math.inf
            self.live_at = now
        if self._silence is None or len(self._silence.data) != len(frame.data):
            self._silence = frame_of(np.zeros(samples.size, np.int16), frame.sample_rate)
            self._silence.userdata[_MADE_UP] = True
        return frame

    def _over(self) -> None:
        if self.makes_up and self._is_told:
            self._on_gap(asyncio.get_running_loop().time() - self._frame_at)
        self._looks, self._due_at = 0, None
