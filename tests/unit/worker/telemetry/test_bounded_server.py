"""Clients that occupy an HTTP server: slow ones, large requests, and many connections.

The servers have short limits, and the tests wait for what the server does, on real sockets.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from worker.telemetry.bounded_server import BoundedServer, HttpLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.telemetry.bounded_server import Handler

#: Seconds within which a server with short limits must have closed a connection.
PATIENCE_S = 5.0
SHORT = HttpLimits(head_s=0.3, answer_s=0.3, linger_s=0.1, body_bytes=1000)
LARGE = HttpLimits(linger_s=0.1, body_bytes=1000)


async def hello(_: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")


async def length(request: web.Request) -> web.StreamResponse:
    return web.Response(text=str(len(await request.read())))


@asynccontextmanager
async def serving(limits: HttpLimits, *, get: Handler = hello) -> AsyncIterator[int]:
    """Yield the port of a server with the paths `/` and, for POST, `/length`."""
    server = BoundedServer([web.get("/", get), web.post("/length", length)], limits=limits)
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.aclose()


class Client:
    """A client that decides what it sends and reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def closed_within(self, seconds: float) -> bool:
        """Return whether the server closes the connection in this time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True

    async def closed(self) -> bytes:
        """Return what the server sent until it closed the connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    "head",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "],
    ids=["nothing", "half a line", "one line", "half a header"],
)
async def test_a_head_that_is_not_complete_in_time_closes_the_connection(head: bytes) -> None:
    async with serving(SHORT) as port, connected(port) as client:
        client.send(head)
        assert await client.closed() == b""


async def test_a_head_that_comes_byte_by_byte_has_one_time_limit_for_all_of_it() -> None:
    """A limit between two bytes would never end such a request (slow loris)."""
    async with serving(SHORT) as port, connected(port) as client, asyncio.timeout(PATIENCE_S):
        client.send(b"GET / HTTP/1.1\r\nX-Slow: ")
        while not await client.closed_within(0.05):
            client.send(b"a")


async def test_a_second_request_on_a_connection_has_the_same_limit() -> None:
    async with serving(SHORT) as port, connected(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 200 " in await client.reader.readline()
        client.send(b"GET / HT")
        assert (await client.closed()).endswith(b"hello")


async def test_a_body_that_does_not_come_in_time_closes_the_connection() -> None:
    async with serving(SHORT) as port, connected(port) as client:
        client.send(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert b" 200 " not in await client.closed()


async def test_a_body_that_no_handler_wants_does_not_keep_the_connection_open() -> None:
    async with serving(SHORT) as port, connected(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert (await client.closed()).endswith(b"hello")


async def test_a_client_that_does_not_read_the_answer_loses_its_connection() -> None:
    """The answer is larger than all buffers between the server and the client."""
    page = bytes(64 << 20)

    async def large(_: web.Request) -> web.StreamResponse:
        return web.Response(body=page)

    async with serving(SHORT, get=large) as port, connected(port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            while not client.writer.transport.is_closing():
                client.send(b"x")  # fails once the server has reset the connection
                await asyncio.sleep(0)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Large: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(60)) + b"\r\n",
    ],
    ids=["request line", "header", "many headers"],
)
async def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    async with serving(LARGE) as port, connected(port) as client:
        client.send(head)
        assert b" 400 " in (await client.closed()).partition(b"\r\n")[0]


async def test_a_body_is_read_up_to_its_limit() -> None:
    async with serving(LARGE) as port, connected(port) as client:
        client.send(
            b"POST /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Content-Length: 1000\r\n\r\n" + bytes(1000)
        )
        assert (await client.closed()).endswith(b"1000")


async def test_a_body_without_a_length_is_refused_beyond_the_limit() -> None:
    async with serving(LARGE) as port, connected(port) as client:
        client.send(b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"3e9\r\n" + bytes(1001) + b"\r\n")
        assert b" 413 " in await client.reader.readline()


async def test_a_compressed_body_is_not_unpacked() -> None:
    async with serving(LARGE) as port, connected(port) as client:
        client.send(
            b"POST /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
        )
        assert (await client.closed()).endswith(b"4")


async def test_a_connection_beyond_the_maximum_is_closed_and_the_others_are_served() -> None:
    async with serving(HttpLimits(connections=1)) as port, connected(port) as first:
        for _ in range(2):
            first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b" 200 " in await first.reader.readline()
            assert (await first.reader.readuntil(b"hello")).endswith(b"hello")
            async with connected(port) as second:
                assert await second.closed() == b""


async def test_the_place_of_a_connection_that_ended_is_free() -> None:
    async with serving(HttpLimits(connections=1)) as port:
        for _ in range(3):
            async with connected(port) as client:
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert (await client.closed()).endswith(b"hello")


async def test_a_port_in_use_is_an_error_and_leaves_no_server() -> None:
    async with serving(LARGE) as port:
        server = BoundedServer([web.get("/", hello)])
        with pytest.raises(OSError, match="address already in use"):
            await server.start("127.0.0.1", port)
        await server.aclose()


async def test_an_error_of_a_handler_is_logged_and_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: web.Request) -> web.StreamResponse:
        raise ZeroDivisionError

    async with serving(LARGE, get=broken) as port, connected(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 500 " in await client.reader.readline()
    assert "a handler of the HTTP server raised an error" in caplog.text


async def test_a_request_that_cannot_be_read_is_not_quoted_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(LARGE) as port, connected(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHunter2: " + b"hunter2" * 2000 + b"\r\n\r\n")
        await client.closed()
    assert "unter2" not in caplog.text
