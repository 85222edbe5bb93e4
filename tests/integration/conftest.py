"""A real PostgreSQL for every integration test: one server a session, one database a test."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.database.database_urls import database_url, server_socket
from tests.support.database.embedded_processes import end_keeper
from tests.support.database.lease_times import LEASE_S, passes
from tests.support.folders import new_folder
from worker.interview.plan import SAMPLE_PLAN, load_plan
from worker.store.embedded import embedded_postgres
from worker.store.interviews import create_interview
from worker.store.leases import renew_leases
from worker.store.migrate import migrate
from worker.store.pool import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """The session's data folder: pytest closes its own to other users, and root's server is one."""
    folder = new_folder("interview-pg-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(server_dir: Path) -> Iterator[str]:
    """The URL of a running server, its database `postgres` empty."""
    with embedded_postgres(server_dir) as url:
        asyncio.run(_make_template(url))
        yield url
    end_keeper(server_dir)


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a database of the test's own, without a schema."""
    async with _own_database(postgres_url, "template0") as url:
        yield url


@pytest.fixture
async def migrated_database_url(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a database of the test's own, with the newest schema."""
    async with _own_database(postgres_url, _TEMPLATE) as url:
        yield url


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    """A `Database` of the test's own, with the newest schema."""
    db = await Database.open(migrated_database_url)
    yield db
    await db.aclose()


@pytest.fixture
async def leased_database(database: Database) -> Database:
    """One with the interview `one`, and a worker that has been in contact with it for long."""
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    await renew_leases(database, [], worker_id="w1", lease_s=LEASE_S)
    await passes(database, "lease_contact", "calm_until", LEASE_S)
    return database


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[TcpProxy]:
    """A line to the server that a test can stall and cut; `through` gives URLs by way of it."""
    async with TcpProxy(server_socket(postgres_url)) as proxy:
        yield proxy


@asynccontextmanager
async def _own_database(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    await _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield database_url(server_url, name)
    await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _make_template(server_url: str) -> None:
    # Copying a database waits for the disk, and these need not survive the machine.
    await _execute(server_url, "ALTER SYSTEM SET fsync = off")
    await _execute(server_url, "SELECT pg_reload_conf()")
    await _execute(server_url, f"CREATE DATABASE {_TEMPLATE}")
    connection = await asyncpg.connect(database_url(server_url, _TEMPLATE))
    try:
        await migrate(connection)
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
