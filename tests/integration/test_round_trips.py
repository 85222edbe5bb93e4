"""How many round trips to the server an operation costs, counted on the wire."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import pytest

from tests.support.database.database_urls import server_socket
from worker.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from worker.store.connection import Connection


class Wire:
    """A proxy to a Unix socket that counts the client's messages after an answer of the server.

    All that a client sends before the server answers is one round trip.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._links: set[asyncio.Task[None]] = set()
        self.round_trips = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.gather(*self._links)

    async def _join(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._socket))
        answered = asyncio.Event()
        answered.set()

        def asks() -> None:
            self.round_trips += answered.is_set()
            answered.clear()

        await asyncio.gather(
            _forward(reader, far_writer, asks), _forward(far_reader, writer, answered.set)
        )
        self._links.discard(task)


async def _forward(source: StreamReader, target: StreamWriter, seen: Callable[[], None]) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            seen()
            target.write(data)
            await target.drain()
    target.close()


@pytest.fixture
async def wire(postgres_url: str) -> AsyncIterator[Wire]:
    async with Wire(server_socket(postgres_url)) as wire:
        yield wire


@pytest.fixture
async def db(wire: Wire, empty_database_url: str) -> AsyncIterator[Database]:
    """Yield a database behind the wire, with one open connection and the table `things`."""
    path = urlsplit(empty_database_url).path
    db = await Database.open(f"postgresql://postgres@127.0.0.1:{wire.port}{path}")
    await db.run("make", lambda c: c.execute("CREATE TABLE things (name text)"))
    yield db
    await db.aclose()


async def cost(wire: Wire, operation: Awaitable[object]) -> int:
    """Return how many round trips the operation has cost."""
    before = wire.round_trips
    await operation
    return wire.round_trips - before


async def insert(connection: Connection) -> None:
    await connection.execute("INSERT INTO things VALUES ($1)", "chair")


@pytest.mark.parametrize(
    ("query", "args"),
    [
        ("SELECT name FROM things WHERE name = $1", ("chair",)),
        ("INSERT INTO things SELECT * FROM unnest($1::text[])", (["chair", "table"],)),
        ("UPDATE things SET name = $1 RETURNING name", ("table",)),
        ("SELECT 1", ()),
    ],
    ids=["read", "write", "write and read", "without arguments"],
)
async def test_a_single_statement_costs_two(
    wire: Wire, db: Database, query: str, args: tuple[object, ...]
) -> None:
    assert await cost(wire, db.fetch("one", query, *args)) == 2


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", True),
        ("integer", 1),
        ("bigint", 2**40),
        ("float8", 0.5),
        ("timestamptz", datetime(2026, 1, 2, tzinfo=UTC)),
        ("jsonb", '{"a": 1}'),
    ],
)
async def test_an_array_costs_no_more_at_its_first_use_on_a_connection(
    wire: Wire, db: Database, kind: str, value: object
) -> None:
    """asyncpg would ask the server about the type, which costs six round trips."""
    query = f"SELECT $1::{kind}[] AS found"
    assert await cost(wire, db.fetch("array", query, [value, None])) == 2
    assert (await db.fetch("array", query, [value, None]))[0]["found"] == [value, None]


async def test_a_transaction_costs_two_and_each_statement_in_it_two(
    wire: Wire, db: Database
) -> None:
    async def twice(connection: Connection) -> None:
        await insert(connection)
        await insert(connection)

    assert await cost(wire, db.run("insert", insert)) == 4
    assert await cost(wire, db.run("twice", twice)) == 6


async def test_a_transaction_on_a_writable_server_costs_no_more(wire: Wire, db: Database) -> None:
    assert await cost(wire, db.run("insert", insert, writable=True)) == 4


async def test_a_ping_costs_two(wire: Wire, db: Database) -> None:
    assert await cost(wire, db.ping()) == 2
