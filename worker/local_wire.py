"""What goes between a job without a room and its candidate: sound both ways, and captions.

A message is one byte that says what it is, four bytes of length (big-endian), and so many bytes:
16-bit little-endian mono samples at 48 kHz, or a caption as JSON. Whoever closes the connection
has left. There is no more to it, for both ends are of one version and on one machine.
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

    from worker.speech.audio import Pcm

#: Samples per second, both ways: what LiveKit's Opus decodes to as well.
SAMPLE_RATE: Final = 48_000
#: Bytes of a payload, at most: ten seconds of sound. Frames are of 20 to 50 ms.
LONGEST: Final = 10 * SAMPLE_RATE * 2

_HEAD: Final = struct.Struct(">BI")
_PCM: Final = np.dtype("<i2")


class WireBroken(Exception):
    """What arrived is no message of this protocol; the other end is something else.

    Attributes:
        kind: The message's first byte.
        length: The length that it gave, in bytes.
    """

    def __init__(self, kind: int, length: int) -> None:
        self.kind = kind
        self.length = length
        super().__init__(f"not a message: kind {kind}, {length} bytes")


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Mono samples at `SAMPLE_RATE`, in the order in which they are heard."""

    samples: Pcm = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Words:
    """What one utterance of the interviewer says so far; never in a log."""

    segment: str
    text: str = field(repr=False)
    final: bool


class _Kind(IntEnum):
    SOUND = 1
    WORDS = 2


class Wire:
    """One end of a connection. To be made by `connect`, or of what a server was connected with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect to whoever listens on a Unix socket.

        Raises:
            OSError: nobody does.
        """
        return cls(*await asyncio.open_unix_connection(path))

    def post(self, message: Sound | Words) -> None:
        """Send a message without waiting; into the void where the other end has left."""
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
        # Whoever reads here learns that the other end has left; whoever sends need not.
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def receive(self) -> Sound | Words | None:
        """The next message; None once the other end has left, in the middle of one or not.

        Raises:
            WireBroken: it is none.
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
        """Send what is waiting, and leave."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


def _words(payload: bytes) -> Words:
    said = json.loads(payload)
    match said:
        case {"segment": str(segment), "text": str(text), "final": bool(final)}:
            return Words(segment=segment, text=text, final=final)
    raise ValueError("no caption")
