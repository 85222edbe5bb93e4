"""The messages between a job without a room and its candidate."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from worker.transport.local_protocol import LONGEST, Sound, Wire, WireBroken, Words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from worker.audio.dsp import Pcm

SAMPLES: Pcm = np.array([0, 1, -1, 32_767, -32_768], np.int16)


@pytest.fixture
def socket() -> Iterator[Path]:
    """Yield a short path: the kernel accepts about 100 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "socket"


class Ends:
    """Both ends of one connection, and the raw writer of the first."""

    def __init__(self, near: Wire, far: Wire, writer: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.writer = writer


@pytest.fixture
async def ends(socket: Path) -> AsyncIterator[Ends]:
    connected: asyncio.Queue[Wire] = asyncio.Queue()

    def on_connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.put_nowait(Wire(reader, writer))

    server = await asyncio.start_unix_server(on_connected, socket)
    reader, writer = await asyncio.open_unix_connection(socket)
    both = Ends(Wire(reader, writer), await connected.get(), writer)
    yield both
    server.close()
    await both.far.aclose()
    await both.near.aclose()


async def test_sound_arrives_as_it_was_sent(ends: Ends) -> None:
    await ends.near.send(Sound(samples=SAMPLES))
    message = await ends.far.receive()
    assert isinstance(message, Sound)
    assert message.samples.dtype == np.int16
    assert message.samples.tolist() == SAMPLES.tolist()


async def test_captions_arrive_in_order_between_audio_messages(ends: Ends) -> None:
    first = Words(segment="a", text="Grüß", final=False)
    last = Words(segment="a", text="Grüß dich.", final=True)
    ends.near.post(first)
    ends.near.post(Sound(samples=SAMPLES))
    ends.near.post(last)
    received = [await ends.far.receive() for _ in range(3)]
    assert [received[0], received[2]] == [first, last]
    assert isinstance(received[1], Sound)


async def test_a_message_in_pieces_is_reassembled(ends: Ends) -> None:
    payload = SAMPLES.tobytes()
    receiving = asyncio.create_task(ends.far.receive())
    for byte in struct.pack(">BI", 1, len(payload)) + payload:
        ends.writer.write(bytes([byte]))
        await ends.writer.drain()
        await asyncio.sleep(0)
    message = await receiving
    assert isinstance(message, Sound)
    assert message.samples.tolist() == SAMPLES.tolist()


async def test_the_end_of_the_connection_is_the_end_of_the_messages(ends: Ends) -> None:
    await ends.near.send(Sound(samples=SAMPLES))
    await ends.near.aclose()
    assert await ends.far.receive() is not None
    assert await ends.far.receive() is None
    assert await ends.far.receive() is None


async def test_a_truncated_message_is_dropped(ends: Ends) -> None:
    ends.writer.write(struct.pack(">BI", 1, 10) + b"half")
    await ends.near.aclose()
    assert await ends.far.receive() is None


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param(9, b"", id="unknown kind"),
        pytest.param(1, b"odd", id="half a sample"),
        pytest.param(2, b"{", id="not JSON"),
        pytest.param(2, b"\xff", id="not UTF-8"),
        pytest.param(2, b'{"segment": "a"}', id="half a caption"),
        pytest.param(2, b'"words"', id="not an object"),
    ],
)
async def test_an_invalid_message_is_refused_with_its_kind_and_length(
    ends: Ends, kind: int, payload: bytes
) -> None:
    ends.writer.write(struct.pack(">BI", kind, len(payload)) + payload)
    with pytest.raises(WireBroken) as raised:
        await ends.far.receive()
    assert (raised.value.kind, raised.value.length) == (kind, len(payload))


async def test_a_message_that_is_too_long_is_refused_before_it_has_arrived(ends: Ends) -> None:
    ends.writer.write(struct.pack(">BI", 1, LONGEST + 1))
    with pytest.raises(WireBroken):
        await ends.far.receive()


async def test_sending_to_a_closed_peer_is_no_error(ends: Ends) -> None:
    await ends.far.aclose()
    assert await ends.near.receive() is None
    for _ in range(3):
        await ends.near.send(Sound(samples=SAMPLES))
    await ends.near.aclose()
    ends.near.post(Words(segment="a", text="Hello?", final=True))


async def test_connecting_without_a_listener_fails(socket: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Wire.connect(socket)


def test_repr_of_a_caption_does_not_contain_its_text() -> None:
    assert "secret" not in repr(Words(segment="a", text="secret", final=True))
