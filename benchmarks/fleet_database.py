"""The PostgreSQL of the fleet benchmark: its server, a database for each scenario, its counters."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import psutil

from benchmarks import fleet_statements
from tests.support.database.embedded_processes import end_keeper
from tests.support.folders import new_folder
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.database import Database
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.migrate import migrate

#: Connections that the embedded server accepts: 200 workers, each with up to 5, and the jobs.
_CONNECTIONS: Final = 1500
_SAMPLES: Final = 30
#: Settings of the server that explain a figure.
_SHOWN: Final = (
    "server_version",
    "max_connections",
    "shared_buffers",
    "fsync",
    "synchronous_commit",
)


@asynccontextmanager
async def server(url: str | None) -> AsyncIterator[str]:
    """Yield the URL of a server: the given one, or that of an embedded server of this benchmark."""
    if url is not None:
        yield url
        return
    folder = new_folder("bench-pg-")
    try:
        async with await EmbeddedPostgres.start(folder) as embedded:
            await _execute(embedded.url, f"ALTER SYSTEM SET max_connections = {_CONNECTIONS}")
        # The setting needs another start of the server.
        await asyncio.to_thread(end_keeper, folder)
        async with await EmbeddedPostgres.start(folder) as embedded:
            yield embedded.url
    finally:
        await asyncio.to_thread(end_keeper, folder)
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def database(server_url: str) -> AsyncIterator[FleetDatabase]:
    """Create a database with the newest schema, and drop it at the end.

    The role of the URL needs the privilege CREATEDB.
    """
    name = f"fleet_{uuid4().hex}"
    await _execute(server_url, f"CREATE DATABASE {name}")
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    try:
        pool = await Database.open(url)
        await migrate(pool)
        await pool.aclose()
        connection = await asyncpg.connect(url)
        yield FleetDatabase(url, connection)
        await connection.close()
    finally:
        await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What PostgreSQL has counted in one database since its beginning."""

    transactions: int
    #: Position in the write-ahead log of the whole server, in bytes.
    wal_bytes: int
    #: Updated rows, and those of them that were updated in place (HOT), of the renewed tables.
    updates: int
    hot_updates: int
    connections: int


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution of a statement, as EXPLAIN ANALYZE reports it."""

    took_ms: float
    #: Pages of 8 KiB that the statement has read, from memory or from the disk.
    buffers: int
    wal_bytes: int


class FleetDatabase:
    """A direct connection to the database of one scenario, without the proxy."""

    def __init__(self, url: str, connection: Any) -> None:
        self.url = url
        self._connection = connection
        self._plan = json.dumps(load_plan(SAMPLE_PLAN).to_json())

    async def add_created(self, prefix: str, count: int) -> list[str]:
        """Store interviews that no job has taken; return their ids."""
        await self._connection.execute(fleet_statements.CREATED, prefix, count, self._plan)
        return _ids(prefix, count)

    async def add_untaken(self, prefix: str, count: int) -> list[str]:
        """Store interviews whose dispatch no worker has taken; return their ids."""
        await self._connection.execute(fleet_statements.UNTAKEN, prefix, count, self._plan)
        return _ids(prefix, count)

    async def add_running(
        self, prefix: str, count: int, *, ends_in_s: float, lease_s: float
    ) -> list[str]:
        """Store running interviews whose leases all end in `ends_in_s` seconds; return their ids.

        Nobody renews the leases.
        """
        await self._connection.execute(
            fleet_statements.RUNNING, prefix, count, self._plan, ends_in_s, lease_s
        )
        return _ids(prefix, count)

    async def leased(self, prefix: str, *, token: int) -> int:
        """Return how many interviews with this prefix have a lease with at least this token."""
        return int(await self._connection.fetchval(fleet_statements.LEASED, prefix, token))

    async def claimed(self, prefix: str) -> int:
        """Return how many interviews with this prefix were claimed for a redispatch."""
        return int(await self._connection.fetchval(fleet_statements.CLAIMED, prefix))

    async def counters(self) -> Counters:
        """Return what PostgreSQL has counted.

        A session reports its counts at most once a second, so that a short interval is inexact.
        """
        await self._connection.execute("SELECT pg_stat_force_next_flush()")
        row = await self._connection.fetchrow(
            "SELECT xact_commit + xact_rollback AS transactions, numbackends AS connections,"
            " pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,"
            " (SELECT coalesce(sum(n_tup_upd), 0)::bigint FROM pg_stat_user_tables"
            " WHERE relname = ANY($1::text[])) AS updates,"
            " (SELECT coalesce(sum(n_tup_hot_upd), 0)::bigint FROM pg_stat_user_tables"
            " WHERE relname = ANY($1::text[])) AS hot_updates"
            " FROM pg_stat_database WHERE datname = current_database()",
            list(fleet_statements.RENEWED_TABLES),
        )
        return Counters(**dict(row))

    async def settle(self) -> None:
        """Collect statistics of all tables and write a checkpoint, as on a server that runs."""
        await self._connection.execute("VACUUM ANALYZE")
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):  # of a role of your own
            await self._connection.execute("CHECKPOINT")

    async def execute(self, query: str, args: Sequence[object]) -> Execution:
        """Execute a statement, and return what EXPLAIN ANALYZE reports."""
        text = await self._connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON) {query}", *args
        )
        (explained,) = json.loads(text)
        plan = explained["Plan"]
        return Execution(
            took_ms=explained["Execution Time"],
            buffers=plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0),
            wal_bytes=plan.get("WAL Bytes", 0),
        )

    async def run(self, query: str, args: Sequence[object]) -> None:
        """Run a statement."""
        await self._connection.fetch(query, *args)

    async def cpu_s(self) -> float | None:
        """Return the processor time of the server so far; None if it is on another machine."""
        pid = await self._connection.fetchval("SELECT pg_backend_pid()")
        return await asyncio.to_thread(_server_cpu_s, pid)

    async def conditions(self) -> dict[str, Any]:
        """Return settings of the server, and the median time of a commit in milliseconds."""
        shown = {
            name: await self._connection.fetchval("SELECT current_setting($1)", name)
            for name in _SHOWN
        }
        await self._connection.execute("CREATE TABLE fleet_commits (n integer)")
        took = []
        for _ in range(_SAMPLES):
            began = time.perf_counter()
            await self._connection.execute("INSERT INTO fleet_commits VALUES (1)")
            took.append(1000 * (time.perf_counter() - began))
        return {**shown, "commit_ms": round(statistics.median(took), 2)}


def _server_cpu_s(backend: int) -> float | None:
    """Return the processor time of all processes of a server, those that have ended included."""
    with contextlib.suppress(psutil.Error):
        server = psutil.Process(backend).parent()
        if server is not None and server.name().startswith("postgres"):
            ended = server.cpu_times()
            total = float(ended.children_user + ended.children_system)
            for each in (server, *server.children()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    used = each.cpu_times()
                    total += used.user + used.system
            return total
    return None


async def round_trip_ms(url: str) -> float:
    """Return the median of 30 round trips of a simple statement in milliseconds."""
    connection = await asyncpg.connect(url)
    try:
        took = []
        for _ in range(_SAMPLES):
            began = time.perf_counter()
            await connection.execute("SELECT 1")
            took.append(1000 * (time.perf_counter() - began))
        return round(statistics.median(took), 1)
    finally:
        await connection.close()


def _ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(1, count + 1)]


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
