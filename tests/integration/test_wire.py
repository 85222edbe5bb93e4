"""The proxy that counts round trips, in front of an echo server and of a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.relay import HOST, Relay
from tests.support.wire import CountingProxy, address_of, url_at

#: Seconds of each direction. Large beside the rounding of the event loop's timers, 1 ms.
DELAY_S = 0.05
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """An echo server that keeps what it has received, and counts the open connections."""

    def __init__(self) -> None:
        self.port = 0
        self.received = b""
        self.connections = 0
        self.moved = asyncio.Event()

    async def __aenter__(self) -> Echo:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def has_received(self, data: bytes) -> None:
        """Return once `data` has arrived."""
        while data not in self.received:
            self.moved.clear()
            await self.moved.wait()

    async def has_connections(self, number: int) -> None:
        """Return once `number` connections are open."""
        while self.connections != number:
            self.moved.clear()
            await self.moved.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.moved.set()
        try:
            while data := await reader.read(65536):
                self.received += data
                self.moved.set()
                writer.write(data)
        except ConnectionResetError:
            pass
        finally:
            self.connections -= 1
            self.moved.set()
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with Echo() as echo:
        yield echo


@asynccontextmanager
async def relaying(echo: Echo, *, delay_s: float = 0.0) -> AsyncIterator[Relay]:
    relay = Relay((HOST, echo.port), delay_s=delay_s)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.aclose()


@asynccontextmanager
async def connected(relay: Relay) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection(HOST, relay.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def echoed(ends: Ends, data: bytes) -> bytes:
    ends[1].write(data)
    return await ends[0].readexactly(len(data))


async def nothing_comes(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection is still open after a short silence."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(1)
    return not reader.at_eof()


@asynccontextmanager
async def database_connection(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_simple_statement_is_one_round_trip_and_one_with_a_parameter_is_two(
    postgres_url: str,
) -> None:
    async with CountingProxy(postgres_url) as proxy, database_connection(proxy.url) as connection:
        proxy.reset()
        await connection.execute("SELECT 1")
        assert proxy.round_trips == 1
        assert await connection.fetchval("SELECT $1::integer", 7) == 7
        assert proxy.round_trips == 3
        proxy.reset()
        async with connection.transaction():
            await connection.execute("SELECT 1")
        assert proxy.round_trips == 3


async def test_round_trips_are_counted_for_each_connection_and_in_sum(postgres_url: str) -> None:
    async with (
        CountingProxy(postgres_url) as proxy,
        database_connection(proxy.url) as one,
        database_connection(proxy.url) as other,
    ):
        proxy.reset()
        await one.execute("SELECT 1")
        await one.execute("SELECT 1")
        await other.execute("SELECT 1")
        assert proxy.round_trips_of_each == [2, 1]
        assert proxy.round_trips == 3


async def test_messages_that_wait_for_no_answer_are_one_round_trip(echo: Echo) -> None:
    async with relaying(echo, delay_s=DELAY_S) as relay, connected(relay) as (reader, writer):
        writer.write(b"one ")
        await echo.has_received(b"one ")
        writer.write(b"two")  # the answer to the first message is still on its way
        assert await reader.readexactly(7) == b"one two"
        assert relay.round_trips == 1


async def test_each_answer_takes_the_whole_round_trip(echo: Echo) -> None:
    async with relaying(echo, delay_s=DELAY_S) as relay, connected(relay) as ends:
        assert await echoed(ends, b"the first message also opens the connection")
        began = asyncio.get_running_loop().time()
        assert await echoed(ends, b"ping") == b"ping"
        assert asyncio.get_running_loop().time() - began >= 2 * DELAY_S


async def test_the_delay_limits_no_throughput(echo: Echo) -> None:
    messages = [b"%04d" % n for n in range(100)]
    async with relaying(echo, delay_s=DELAY_S) as relay, connected(relay) as (reader, writer):
        began = asyncio.get_running_loop().time()
        for message in messages:
            writer.write(message)
            await asyncio.sleep(0)
        assert await reader.readexactly(400) == b"".join(messages)
        # One delay after the other would take 10 s.
        assert asyncio.get_running_loop().time() - began < 5


async def test_the_end_of_a_connection_follows_its_data(echo: Echo) -> None:
    async with relaying(echo, delay_s=DELAY_S) as relay:
        async with connected(relay) as (_, writer):
            writer.write(b"last words")
        await echo.has_received(b"last words")
        await echo.has_connections(0)
        await asyncio.wait_for(relay.no_links.wait(), timeout=5)


async def test_large_data_is_forwarded_completely(echo: Echo) -> None:
    data = bytes(range(256)) * 20_000
    async with relaying(echo) as relay, connected(relay) as ends:
        assert await echoed(ends, data) == data


async def test_a_server_that_refuses_the_connection_ends_the_clients_connection() -> None:
    async with Echo() as gone:
        pass
    async with relaying(gone) as relay, connected(relay) as (reader, _):
        with contextlib.suppress(ConnectionResetError):  # both are the end of the connection
            assert await reader.read() == b""


async def test_vanished_connections_stay_open_and_silent_and_so_do_new_ones(echo: Echo) -> None:
    async with relaying(echo) as relay, connected(relay) as old:
        assert await echoed(old, b"before") == b"before"
        relay.vanish()
        old[1].write(b"lost")
        assert await nothing_comes(old[0])
        async with connected(relay) as new:
            new[1].write(b"lost too")
            assert await nothing_comes(new[0])
        assert echo.received == b"before"
        assert echo.connections == 1  # the server learns of no end


async def test_a_connection_can_vanish_between_a_statement_and_its_answer(echo: Echo) -> None:
    async with relaying(echo) as relay, connected(relay) as ends:
        assert await echoed(ends, b"before") == b"before"
        relay.vanish(within_chunks=1)
        ends[1].write(b"statement")
        await echo.has_received(b"statement")
        assert await nothing_comes(ends[0])
        ends[1].write(b"another")
        assert await nothing_comes(ends[0])
        assert echo.received == b"beforestatement"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://postgres@/x?host=/run/pg&port=5433", Path("/run/pg/.s.PGSQL.5433")),
        ("postgresql://me:pw@db.example/x", ("db.example", 5432)),
        ("postgresql://me@db.example:6432/x?sslmode=require", ("db.example", 6432)),
    ],
)
def test_the_address_of_a_server_is_read_from_its_url(
    url: str, address: Path | tuple[str, int]
) -> None:
    assert address_of(url) == address


def test_a_url_with_several_hosts_is_refused() -> None:
    with pytest.raises(ValueError, match="one host"):
        address_of("postgresql:///x?host=a,b")


def test_only_the_address_of_a_url_changes() -> None:
    assert url_at("postgresql://me:p%40w@db:6432/x?sslmode=require", 7) == (
        "postgresql://me:p%40w@127.0.0.1:7/x?sslmode=require"
    )
    assert url_at("postgresql://postgres@/x?host=/run/pg&port=5432", 7) == (
        "postgresql://postgres@127.0.0.1:7/x"
    )
