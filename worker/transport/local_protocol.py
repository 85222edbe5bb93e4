"""Wire protocol between a job without a room and its candidate: audio and captions.

Both ends send audio. A message consists of one byte for its kind, four bytes for the payload's
length (big-endian), and the payload. The payload holds 16-bit little-endian mono samples at 48 kHz,
or a caption as JSON. A peer leaves by closing the connection. The protocol has no version number,
since both ends are of the same version and run on one machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from worker.audio.dsp import Pcm

#: Samples per second in both directions. LiveKit's Opus decodes to the same rate.
SAMPLE_RATE: Final = 48_000
#: Maximum bytes of a payload: ten seconds of audio. Frames are of 20 to 50 ms.
LONGEST: Final = 10 * SAMPLE_RATE * 2

_HEAD: Final = struct.Struct(">BI")
_PCM: Final = np.dtype("<i2")


class WireBroken(Exception):
    """Raised if received data is not a message of this protocol.

    Attributes:
        kind: The message's first byte.
        length: The payload length that the message states, in bytes.
    """

    def __init__(self, kind: int, length: int) -> None:
        self.kind = kind
        self.length = length
        super().__init__(f"invalid message: kind {kind}, {length} bytes")


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Mono samples at `SAMPLE_RATE`, in playback order."""

    samples: Pcm = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Words:
    """The text so far of one utterance of the interviewer. The text must never be logged."""

    segment: str
    text: str = field(repr=False)
    final: bool


class _Kind(IntEnum):
    SOUND = 1
    WORDS = 2


class Wire:
    """One end of the socket between a job and its candidate.

    Create a Wire with `connect`, or from the streams of a server.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect to a Unix socket.

        Raises:
            OSError: If no process listens on the socket.
        """
        return cls(*await asyncio.open_unix_connection(path))

    def post(self, message: Sound | Words) -> None:
        """Send a message without waiting. The message is dropped if the other end has left."""
        if isinstance(message, Sound):
            kind, payload = _Kind.SOUND, message.samples.astype(_PCM, copy=False).tobytes()
        else:
            words = {"segment": message.segment, "text": message.text, "final": message.final}
            kind, payload = _Kind.WORDS, json.dumps(words).encode()
        if not self._writer.is_closing():
            self._writer.write(_HEAD.pack(kind, len(payload)) + payload)

    async def send(self, message: Sound | Words) -> None:
        """Send a message, and wait while the other end is far behind."""
        self.post(message)
        # Only `receive` reports that the other end has left.
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def receive(self) -> Sound | Words | None:
        """Return the next message; None if the other end has left, even within a message.

        Raises:
            WireBroken: If the data is not a message of this protocol.
        """
        try:
            kind, length = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
            if kind not in tuple(_Kind) or length > LONGEST:
                raise WireBroken(kind, length)
            payload = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        try:
            if kind == _Kind.SOUND:
                return Sound(samples=np.frombuffer(payload, _PCM).astype(np.int16, copy=False))
            return _words(payload)
        except ValueError as error:
            raise WireBroken(kind, length) from error

    async def aclose(self) -> None:
        """Send pending data, and close the connection."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


def _words(payload: bytes) -> Words:
    said = json.loads(payload)
    match said:
        case {"segment": str(segment), "text": str(text), "final": bool(final)}:
            return Words(segment=segment, text=text, final=final)
    raise ValueError("not a caption")
