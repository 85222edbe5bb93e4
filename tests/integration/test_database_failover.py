"""A fail-over: connections that were opened to a server which has become read-only."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.database.database_urls import through
from worker.store.database import Database
from worker.store.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins.tcp_proxy import TcpProxy
    from worker.store.connection import Connection


@asynccontextmanager
async def read_only(url: str) -> AsyncIterator[None]:
    """Make sessions that begin in this block read-only for as long as they last."""
    name = urlsplit(url).path.removeprefix("/")
    connection = await asyncpg.connect(url)
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        await connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await connection.close()


@pytest.fixture
async def stale(empty_database_url: str) -> AsyncIterator[Database]:
    """Yield a database whose three open connections are read-only, while new ones are not."""
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("CREATE TABLE things (n integer)")
    await connection.close()
    db = await Database.open(empty_database_url)
    async with read_only(empty_database_url):
        assert len(await backends(db)) == 3
    yield db
    await db.aclose()


async def backend(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def backends(db: Database) -> set[int]:
    """Return the PIDs of the server's processes for three connections."""
    all_here = asyncio.Barrier(3)

    async def hold(connection: Connection) -> int:
        await all_here.wait()
        return await backend(connection)

    return set(await asyncio.gather(*(db.run("hold", hold) for _ in range(3))))


def retries(caplog: pytest.LogCaptureFixture) -> int:
    return sum(vars(record).get("event") == "database_retry" for record in caplog.records)


async def insert(connection: Connection) -> None:
    await connection.execute("INSERT INTO things VALUES ($1)", 1)


@pytest.mark.parametrize("way", ["run", "fetch"])
async def test_the_retry_of_a_refused_write_uses_a_new_connection(
    stale: Database, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    before = await backends(stale)
    if way == "run":
        await stale.run("insert", insert)
    else:
        await stale.fetch("insert", "INSERT INTO things VALUES ($1)", 1)
    assert retries(caplog) == 1
    rows = await stale.fetch("count", "SELECT count(*) AS things FROM things")
    assert rows[0]["things"] == 1
    assert not before & await backends(stale)


async def test_a_read_that_decides_is_moved_to_a_server_that_accepts_writes(
    stale: Database, caplog: pytest.LogCaptureFixture
) -> None:
    before = await backends(stale)
    assert await stale.run("read", backend) in before
    assert await stale.run("read", backend, writable=True) not in before
    assert retries(caplog) == 0


async def test_without_a_server_that_accepts_writes_a_read_that_decides_fails(
    empty_database_url: str,
) -> None:
    db = await Database.open(empty_database_url)
    async with read_only(empty_database_url):
        with pytest.raises(DatabaseUnavailable, match="ReadOnlySQLTransactionError 25006"):
            await db.run("read", backend, budget_s=0.3, writable=True)
        assert await db.run("read", backend)
    await db.aclose()


async def test_of_several_hosts_only_one_that_accepts_writes_is_used(
    proxy: TcpProxy, empty_database_url: str
) -> None:
    url = through(proxy, empty_database_url)
    address = f"{proxy.host}:{proxy.port}"
    several = url.replace(address, f"{address},{address}")
    async with read_only(empty_database_url):
        db = await Database.open(several)
        with pytest.raises(DatabaseUnavailable, match="no host of DATABASE_URL accepts writes"):
            await db.ping(budget_s=0.5)
        await db.aclose()
        chosen = await Database.open(f"{several}?target_session_attrs=any")
        await chosen.ping()
        await chosen.aclose()
    db = await Database.open(several)
    await db.ping()
    await db.aclose()
