from __future__ import annotations

import asyncio

import asyncpg
import pytest

from worker.store.database import Database
from worker.store.migrate import (
    Migration,
    MigrationChanged,
    SchemaTooNew,
    known_migrations,
    migrate,
)


async def test_an_empty_database_is_migrated_to_the_newest_schema_once(
    empty_database_url: str,
) -> None:
    db = await Database.open(empty_database_url)
    versions = [migration.version for migration in known_migrations()]
    assert versions[0] == 1
    assert await db.run("migrate", migrate) == versions
    assert await db.run("migrate", migrate) == []
    await db.aclose()


async def test_workers_that_start_concurrently_migrate_once(empty_database_url: str) -> None:
    databases = [await Database.open(empty_database_url) for _ in range(4)]
    applied = await asyncio.gather(*(db.run("migrate", migrate) for db in databases))
    versions = [migration.version for migration in known_migrations()]
    assert sorted(applied, key=len) == [[], [], [], versions]
    await asyncio.gather(*(db.aclose() for db in databases))


async def test_a_failing_migration_leaves_nothing_behind(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    steps = [
        Migration(version=1, sql="CREATE TABLE good (); CREATE TABLE better ()"),
        Migration(version=2, sql="CREATE TABLE bad (no such type)"),
    ]
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await migrate(connection, steps)
    assert await connection.fetchval("SELECT to_regclass('good')") is None
    assert await connection.fetchval("SELECT to_regclass('schema_migrations')") is None
    await connection.close()


async def test_a_newer_generation_is_refused_and_a_newer_number_is_not(
    empty_database_url: str,
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    ours = [Migration(version=1, sql="SELECT 1")]
    await migrate(connection, [*ours, Migration(version=7, sql="SELECT 7")])
    assert await migrate(connection, ours) == []
    await migrate(connection, [*ours, Migration(version=1001, sql="SELECT 1001")])
    with pytest.raises(SchemaTooNew, match="upgrade the worker") as caught:
        await migrate(connection, ours)
    assert (caught.value.found, caught.value.known) == (1001, 1)
    await connection.close()


async def test_an_edited_migration_is_refused(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await migrate(connection, [Migration(version=1, sql="SELECT 1")])
    with pytest.raises(MigrationChanged):
        await migrate(connection, [Migration(version=1, sql="SELECT 2")])
    await connection.close()
