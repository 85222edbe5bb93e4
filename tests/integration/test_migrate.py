"""Migrations on a real PostgreSQL: one at a time, briefly locked, and beside running workers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from worker.aio.backoff import ExponentialBackoff
from worker.store import migrate as module
from worker.store.database import Database
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.migrate import migrate
from worker.store.schema import Migration, MigrationChanged, SchemaTooNew, known_migrations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TABLE = Migration(version=1, sql="CREATE TABLE renewed (n integer); INSERT INTO renewed VALUES (1)")
COLUMN = Migration(version=2, sql="ALTER TABLE renewed ADD COLUMN more integer")
INDEX = Migration(
    version=2,
    sql="-- outside a transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS by_n"
    " ON renewed (n);\n",
)


@pytest.fixture
async def empty(empty_database_url: str) -> AsyncIterator[Database]:
    """Yield a `Database` without a schema."""
    db = await Database.open(empty_database_url)
    yield db
    await db.aclose()


@pytest.fixture
async def other(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection of another user of the same database."""
    connection = await asyncpg.connect(empty_database_url)
    yield connection
    await connection.close()


@pytest.fixture
def short_lock_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCK_MS", 100)
    monkeypatch.setattr(module, "_LOCK_RETRY", ExponentialBackoff(first_s=0.2, longest_s=0.2))


async def exists(connection: asyncpg.Connection, name: str) -> bool:
    return await connection.fetchval("SELECT to_regclass($1)", name) is not None


async def test_an_empty_database_is_migrated_to_the_newest_schema_once(empty: Database) -> None:
    versions = [migration.version for migration in known_migrations()]
    assert versions[0] == 1
    assert await migrate(empty) == versions
    assert await migrate(empty) == []


async def test_workers_that_start_concurrently_apply_each_migration_once(
    empty_database_url: str,
) -> None:
    databases = [await Database.open(empty_database_url) for _ in range(4)]
    applied = await asyncio.gather(*(migrate(db) for db in databases))
    versions = [migration.version for migration in known_migrations()]
    assert sorted(version for each in applied for version in each) == versions
    await asyncio.gather(*(db.aclose() for db in databases))


async def test_a_failing_migration_leaves_nothing_behind_but_the_migrations_before_it(
    empty: Database, other: asyncpg.Connection
) -> None:
    wrong = Migration(version=2, sql="CREATE TABLE better (); CREATE TABLE bad (no such type)")
    with pytest.raises(DatabaseOperationFailed, match="PostgresSyntaxError"):
        await migrate(empty, [TABLE, wrong])
    assert await exists(other, "renewed")
    assert not await exists(other, "better")
    assert await migrate(empty, [TABLE, COLUMN]) == [2]


async def test_a_newer_generation_is_refused_and_a_newer_number_is_not(empty: Database) -> None:
    ours = [Migration(version=1, sql="SELECT 1")]
    await migrate(empty, [*ours, Migration(version=7, sql="SELECT 7")])
    assert await migrate(empty, ours) == []
    await migrate(empty, [*ours, Migration(version=1001, sql="SELECT 1001")])
    with pytest.raises(SchemaTooNew, match="upgrade the worker") as caught:
        await migrate(empty, ours)
    assert (caught.value.found, caught.value.known) == (1001, 1)


async def test_an_edited_migration_is_refused_before_any_other_is_applied(
    empty: Database, other: asyncpg.Connection
) -> None:
    await migrate(empty, [Migration(version=2, sql="SELECT 2")])
    with pytest.raises(MigrationChanged):
        await migrate(empty, [TABLE, Migration(version=2, sql="SELECT 3")])
    assert not await exists(other, "renewed")


# --- locks ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_lock_times")
async def test_a_migration_behind_a_long_reader_stops_no_other_worker(
    empty: Database,
    empty_database_url: str,
    other: asyncpg.Connection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    await migrate(empty, [TABLE])
    reader = other.transaction()
    await reader.start()
    await other.execute("SELECT FROM renewed")
    migrating = asyncio.create_task(migrate(empty, [TABLE, COLUMN]))
    worker = await Database.open(empty_database_url)
    waits = 0
    while waits < 3:
        await worker.fetch("renew", "UPDATE renewed SET n = n + 1", budget_s=1.0)
        waits = sum(vars(each).get("event") == "migration_waits" for each in caplog.records)
    assert not migrating.done()
    assert not [each for each in caplog.records if vars(each).get("event") == "database_retry"]
    await reader.commit()
    assert await migrating == [2]
    await worker.aclose()


@pytest.mark.usefixtures("short_lock_times")
async def test_a_migration_that_never_gets_its_locks_ends_with_its_budget(
    empty: Database, other: asyncpg.Connection
) -> None:
    await migrate(empty, [TABLE])
    async with other.transaction():
        await other.execute("SELECT FROM renewed")
        with pytest.raises(DatabaseUnavailable, match="LockNotAvailableError 55P03"):
            await migrate(empty, [TABLE, COLUMN], budget_s=1.0)


async def test_a_worker_whose_schema_is_complete_waits_for_no_other_worker(
    empty: Database, other: asyncpg.Connection
) -> None:
    await migrate(empty, [TABLE])
    await other.execute("SELECT pg_advisory_lock($1)", module._LOCK_KEY)
    assert await migrate(empty, [TABLE], budget_s=2.0) == []


# --- outside a transaction ------------------------------------------------------------------------


async def test_a_statement_outside_a_transaction_is_executed_by_one_of_two_workers(
    empty: Database, empty_database_url: str, other: asyncpg.Connection
) -> None:
    second = await Database.open(empty_database_url)
    applied = await asyncio.gather(*(migrate(db, [TABLE, INDEX]) for db in (empty, second)))
    assert sorted(version for each in applied for version in each) == [1, 2]
    assert await exists(other, "by_n")
    await second.aclose()


async def test_an_index_whose_build_failed_is_built_again(
    empty: Database, other: asyncpg.Connection
) -> None:
    await migrate(empty, [TABLE])
    await other.execute("INSERT INTO renewed VALUES (1)")
    with pytest.raises(DatabaseOperationFailed, match="UniqueViolationError 23505"):
        await migrate(empty, [TABLE, INDEX])
    assert await exists(other, "by_n")
    await other.execute("TRUNCATE renewed")
    assert await migrate(empty, [TABLE, INDEX]) == [2]
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_n'::regclass"
    assert await other.fetchval(valid)
