"""How a worker makes the role of its jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.database.job_role import drop, execute, poor_worker
from worker.store.database import Database
from worker.store.job_access import prepare_job_access
from worker.store.job_role import NoJobRole
from worker.store.role_sql import scram_verifier
from worker.store.schema import check_schema
from worker.store.url import DatabaseUrl

if TYPE_CHECKING:
    from worker.store.job_access import JobAccess


async def test_workers_that_start_together_make_one_role(
    database: Database, migrated_database_url: str
) -> None:
    both = [prepare_job_access(database, migrated_database_url) for _ in range(2)]
    first, second = await asyncio.gather(*both)
    assert first.role == second.role
    assert first.url_for("one", "interview-one") == second.url_for("one", "interview-one")
    await drop(database, first.role)


async def test_the_server_never_sees_the_password(access: JobAccess, database: Database) -> None:
    password = DatabaseUrl.of(access.url_for("one", "interview-one")).password
    assert password is not None
    query = "SELECT rolpassword FROM pg_authid WHERE rolname = $1"
    (row,) = await database.fetch("password", query, access.role)
    assert row["rolpassword"].startswith("SCRAM-SHA-256$4096:")
    assert password not in row["rolpassword"]
    assert password not in repr(access)


async def test_the_verifier_is_that_of_postgresql(database: Database) -> None:
    await execute(database, "CREATE ROLE known PASSWORD 'pencil'")
    salt = "split_part(split_part(rolpassword, ':', 2), '$', 1)"
    query = f"SELECT rolpassword, decode({salt}, 'base64') AS salt FROM pg_authid"
    (row,) = await database.fetch("verifier", f"{query} WHERE rolname = 'known'")
    await execute(database, "DROP ROLE known")
    assert scram_verifier("pencil", bytes(row["salt"])) == row["rolpassword"]


async def test_a_role_that_an_operator_has_made_gets_the_privileges(
    database: Database, migrated_database_url: str
) -> None:
    await execute(database, "CREATE ROLE made_by_hand LOGIN")
    job_url = migrated_database_url.replace("//postgres@", "//made_by_hand@", 1)
    try:
        access = await prepare_job_access(database, migrated_database_url, job_url=job_url)
        assert access.role == "made_by_hand"
        db = await Database.open(access.url_for("one", "interview-one"))
        await db.run("check_schema", check_schema)
        await db.aclose()
        made = "SELECT count(*) AS made FROM pg_roles JOIN job_access ON rolname = role_name"
        assert (await database.fetch("made", made))[0]["made"] == 0
    finally:
        await drop(database, "made_by_hand")


async def test_the_role_of_the_worker_is_no_role_for_jobs(
    database: Database, migrated_database_url: str
) -> None:
    with pytest.raises(NoJobRole, match="the role of the worker"):
        await prepare_job_access(database, migrated_database_url, job_url=migrated_database_url)


async def test_a_worker_that_may_make_no_role_is_told_why(
    database: Database, migrated_database_url: str
) -> None:
    async with poor_worker(database, migrated_database_url) as url:
        db = await Database.open(url)
        with pytest.raises(NoJobRole, match="may not create a job role"):
            await prepare_job_access(db, url)
        await db.aclose()


async def test_a_second_start_uses_the_same_role(
    access: JobAccess, database: Database, migrated_database_url: str
) -> None:
    again = await prepare_job_access(database, migrated_database_url)
    assert again.url_for("one", "interview-one") == access.url_for("one", "interview-one")
