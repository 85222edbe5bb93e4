"""A real PostgreSQL for the integration tests: one server per session, one database per test."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.database.database_urls import database_url, execute_at, server_socket
from tests.support.database.embedded_processes import end_keeper
from tests.support.database.lease_times import LEASE_S, passes, renew
from tests.support.folders import new_folder
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.database import Database
from worker.store.embedded.client import embedded_postgres
from worker.store.interviews import create_interview
from worker.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """Yield the session's data folder outside pytest's own, which root's server cannot enter."""
    folder = new_folder("interview-pg-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(server_dir: Path) -> Iterator[str]:
    """Yield the URL of a running server whose database `postgres` is empty."""
    with embedded_postgres(server_dir) as url:
        asyncio.run(_make_template(url))
        yield url
    end_keeper(server_dir)


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """Yield the URL of the test's own database, without a schema."""
    async with _own_database(postgres_url, "template0") as url:
        yield url


@pytest.fixture
async def migrated_database_url(postgres_url: str) -> AsyncIterator[str]:
    """Yield the URL of the test's own database, with the newest schema."""
    async with _own_database(postgres_url, _TEMPLATE) as url:
        yield url


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    """Yield the test's own `Database`, with the newest schema."""
    db = await Database.open(migrated_database_url)
    yield db
    await db.aclose()


@pytest.fixture
async def leased_database(database: Database) -> Database:
    """Return a `Database` with the interview `one` and a worker long in contact with it."""
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    await renew(database)
    await passes(database, "lease_contact", "calm_since", LEASE_S)
    return database


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[TcpProxy]:
    """Yield a proxy to the server that a test can stall and cut; see `through` for its URLs."""
    async with TcpProxy(server_socket(postgres_url)) as proxy:
        yield proxy


@asynccontextmanager
async def _own_database(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    await execute_at(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield database_url(server_url, name)
    await execute_at(server_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _make_template(server_url: str) -> None:
    # Copying a database waits for the disk, and test databases need not survive a crash.
    await execute_at(server_url, "ALTER SYSTEM SET fsync = off")
    await execute_at(server_url, "SELECT pg_reload_conf()")
    await execute_at(server_url, f"CREATE DATABASE {_TEMPLATE}")
    database = await Database.open(database_url(server_url, _TEMPLATE))
    try:
        await migrate(database)
    finally:
        await database.aclose()
