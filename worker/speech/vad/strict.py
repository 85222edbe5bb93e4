"""VAD wrapper that raises an error if the VAD hangs, or ends before the audio does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from livekit import rtc
from livekit.agents import vad

from worker.aio.tasks import cancel_and_wait
from worker.aio.timeouts import run_with_timeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Seconds between two checks of a VAD stream.
_LOOK_S = 0.5
#: Number of consecutive checks with audio but without an event after which a VAD stream counts as
#: hung. Checks are counted instead of seconds, because time in which the event loop was blocked
#: proves no fault of the VAD.
_SILENT_LOOKS = 4
#: Timeout in seconds for closing a VAD stream.
_CLOSE_S = 1.0


# The docstrings of the next two errors are also messages of the condition `vad`: see
# `WatchedStream` in supervised.py.
class VADSilent(Exception):
    """The VAD receives audio and delivers no event."""


class VADEnded(Exception):
    """The VAD's stream ended before the audio did."""


class StrictVAD(vad.VAD):
    """A VAD whose streams raise VADSilent or VADEnded if a stream of `inner` hangs or ends early.

    `StrictVAD` is for callers that can work without a VAD, but would wait forever for a VAD stream
    that hangs.
    """

    def __init__(self, inner: vad.VAD) -> None:
        super().__init__(capabilities=inner.capabilities)
        self.inner = inner

    @property
    def model(self) -> str:
        return self.inner.model

    @property
    def provider(self) -> str:
        return self.inner.provider

    @property
    def min_silence_duration(self) -> float | None:
        """Seconds of quiet that end speech; None if `inner` does not tell."""
        silence_s: float | None = getattr(self.inner, "min_silence_duration", None)
        return silence_s

    def stream(self) -> vad.VADStream:
        """Open a stream for one speaker."""
        return FailingStream(self)


class FailingStream(vad.VADStream):
    """Stream of one speaker that uses one stream of the VAD, until that stream fails."""

    def __init__(self, owner: StrictVAD) -> None:
        self._inner = owner.inner
        self._ear: vad.VADStream | None = None
        #: `_asked`: whether audio has arrived since the last check. `_answered`: whether the VAD
        #: has sent an event since the last check.
        self._asked = self._answered = False
        self._over = False
        self._closing: set[asyncio.Task[None]] = set()
        super().__init__(owner)

    async def _main_task(self) -> None:
        reading = asyncio.create_task(self._read(), name="vad-read")
        try:
            await self._listen_on()
        finally:
            await cancel_and_wait(reading)
            if self._closing:
                await asyncio.wait(self._closing, timeout=_CLOSE_S)

    async def _listen_on(self) -> None:
        """Listen until the audio ends. Raises an error if the VAD fails, hangs or ends early."""
        await self._listen()

    async def _take(self, event: vad.VADEvent) -> None:
        """Handle an event of the VAD."""
        self._event_ch.send_nowait(event)

    def _flushed(self) -> None:
        """Handle a flush of the input."""

    def _events(self, ear: vad.VADStream) -> AsyncIterator[vad.VADEvent]:
        """Return the events of a VAD stream."""
        return ear

    async def _read(self) -> None:
        async for item in self._input_ch:
            ear = self._ear
            # A stream that has ended accepts no audio. `_attend` raises the error that ended the
            # stream.
            with contextlib.suppress(RuntimeError):
                if isinstance(item, rtc.AudioFrame):
                    self._asked = True
                    if ear is not None:
                        ear.push_frame(item)
                else:
                    self._flushed()
                    if ear is not None:
                        ear.flush()
        self._over = True
        if self._ear is not None:
            with contextlib.suppress(RuntimeError):
                self._ear.end_input()

    async def _listen(self) -> None:
        """Listen with one stream of the VAD until the audio ends.

        Raises the stream's own errors, VADSilent if the stream hangs, and VADEnded if the stream
        ends early.
        """
        self._asked = self._answered = False
        ear = self._inner.stream()
        self._ear = ear
        if self._over:
            ear.end_input()
        pump = asyncio.create_task(self._pump(ear), name="vad-pump")
        try:
            await self._attend(pump)
        finally:
            self._ear = None
            pump.cancel()
            self._close_aside(ear)

    async def _attend(self, pump: asyncio.Task[None]) -> None:
        silent_looks = 0
        while True:
            done, _ = await asyncio.wait({pump}, timeout=_LOOK_S)
            if done:
                pump.result()
                if self._over:
                    return
                raise VADEnded
            if self._answered or not (self._asked or self._over):
                silent_looks = 0
            else:
                silent_looks += 1
            self._asked = self._answered = False
            if silent_looks == _SILENT_LOOKS:
                raise VADSilent

    async def _pump(self, ear: vad.VADStream) -> None:
        async for event in self._events(ear):
            self._answered = True
            await self._take(event)

    def _close_aside(self, ear: vad.VADStream) -> None:
        """Close a stream in the background, because closing may hang."""

        async def close() -> None:
            # Any error, because closing may raise the stream's error again.
            with contextlib.suppress(Exception):
                await run_with_timeout(ear.aclose(), _CLOSE_S)

        task = asyncio.create_task(close(), name="vad-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
