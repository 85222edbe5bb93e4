"""A VAD that fails where it would hang."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from livekit import rtc
from livekit.agents import vad
from livekit.agents.utils import aio

from worker.bounded import bounded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Seconds of one look at the stream, and how many of them with audio and without a single event
#: make a stream that hangs. Looks are counted, not seconds: an event loop that was blocked for
#: long says nothing about the VAD.
_LOOK_S = 0.5
_SILENT_LOOKS = 4
#: Seconds for closing a stream.
_CLOSE_S = 1.0


class VADSilent(Exception):
    """The VAD is given audio and says nothing at all of it."""


class VADEnded(Exception):
    """The VAD's stream has ended while there was audio to come."""


class FailingVAD(vad.VAD):
    """A VAD whose streams fail where those of `inner` fall silent: VADSilent, VADEnded.

    For those who can do without one, and would wait for a stream that hangs for ever.
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
        """Seconds of quiet before speech counts as ended, where the VAD says so."""
        silence_s: float | None = getattr(self.inner, "min_silence_duration", None)
        return silence_s

    def stream(self) -> vad.VADStream:
        """Start to listen to one speaker."""
        return FailingStream(self)


class FailingStream(vad.VADStream):
    """One speaker's audio through one stream of the VAD, until that fails."""

    def __init__(self, owner: FailingVAD) -> None:
        self._inner = owner.inner
        self._ear: vad.VADStream | None = None
        #: Of the present look: whether audio came, and whether an event did.
        self._asked = self._answered = False
        self._over = False
        self._closing: set[asyncio.Task[None]] = set()
        super().__init__(owner)

    async def _main_task(self) -> None:
        reading = asyncio.create_task(self._read(), name="vad-read")
        try:
            await self._listen_on()
        finally:
            await aio.cancel_and_wait(reading)
            if self._closing:
                await asyncio.wait(self._closing, timeout=_CLOSE_S)

    async def _listen_on(self) -> None:
        """Listen to the end of the audio. Raises what goes wrong."""
        await self._listen()

    async def _take(self, event: vad.VADEvent) -> None:
        """Take what the VAD says."""
        self._event_ch.send_nowait(event)

    def _flushed(self) -> None:
        """What went on before is over."""

    def _events(self, ear: vad.VADStream) -> AsyncIterator[vad.VADEvent]:
        """What a stream of the VAD delivers."""
        return ear

    async def _read(self) -> None:
        async for item in self._input_ch:
            ear = self._ear
            # A stream that has ended takes nothing: its own error tells why.
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
        """Listen by one stream of the VAD to the end of the audio.

        Raises what it raises, VADSilent and VADEnded.
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
        """Close a stream, which may hang, while the next one is opened."""

        async def close() -> None:
            with contextlib.suppress(Exception):  # it raises again what it was left for
                await bounded(ear.aclose(), _CLOSE_S)

        task = asyncio.create_task(close(), name="vad-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
