"""The role of the jobs where the worker's role is no superuser, as at most hosting companies."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.database.database_urls import execute_at
from tests.support.database.job_records import JobRecords, header
from tests.support.database.lease_times import LEASE_S
from worker.config.settings import Settings
from worker.doctor.context import CheckContext
from worker.doctor.database_jobs import check_job_role
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.server.job_database import JobDatabase
from worker.store.database import Database
from worker.store.interview_turns import turns_of
from worker.store.interviews import create_interview, get_interview
from worker.store.job_access import prepare_job_access
from worker.store.jobs import ship
from worker.store.leases import take_lease
from worker.store.migrate import migrate
from worker.store.privileges import OF_JOBS, lacking, too_much

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PLAN = load_plan(SAMPLE_PLAN).to_json()


@asynccontextmanager
async def owner(url: str, options: str) -> AsyncIterator[str]:
    """Yield the URL of a role that owns the database and its schema, and nothing else."""
    name = url.partition("?")[0].rpartition("/")[2]
    await execute_at(
        url,
        f"CREATE ROLE owner_of_all LOGIN NOSUPERUSER {options}",
        f'ALTER DATABASE "{name}" OWNER TO owner_of_all',
        "ALTER SCHEMA public OWNER TO owner_of_all",
    )
    try:
        yield url.replace("//postgres@", "//owner_of_all@", 1)
    finally:
        await execute_at(
            url,
            f'ALTER DATABASE "{name}" OWNER TO postgres',
            "REASSIGN OWNED BY owner_of_all TO postgres",
            "DROP OWNED BY owner_of_all",
            "DROP ROLE owner_of_all",
        )


async def migrated_with_interview(database: Database) -> None:
    await migrate(database)
    await create_interview(database, interview_id="one", plan=PLAN, candidate_name="Ada")


async def drop(url: str, role: str) -> None:
    await execute_at(url, f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')


def settings_of(url: str, folder: Path, **more: str) -> Settings:
    return Settings.load(_env_file=None, INTERVIEW_DATA_DIR=folder, DATABASE_URL=url, **more)


async def hold_interview(job: Database) -> list[str]:
    """Do what a job does, and return the turns that it reads."""
    found = await get_interview(job, "one", writable=True)
    assert found is not None
    assert (found.plan, found.candidate_name) == (PLAN, "Ada")
    assert await take_lease(job, "one", job_id="AJ_1", lease_s=LEASE_S) == 1
    journal = JobRecords()
    journal.said("interviewer", "What did you do?")
    journal.said("candidate", "My answer.")
    await ship(job, header("AJ_1", token=1), journal.records)
    return [turn.text for turn in await turns_of(job, "one", writable=True)]


async def test_workers_of_an_owner_that_may_make_roles_make_one_role_together(
    empty_database_url: str,
) -> None:
    async with owner(empty_database_url, "CREATEROLE") as url:
        databases = [await Database.open(url) for _ in range(3)]
        await asyncio.gather(*(migrated_with_interview(each) for each in databases))
        made = await asyncio.gather(*(prepare_job_access(each, url) for each in databases))
        (role,) = {each.role for each in made}
        assert len({each.url_for("one", "interview-one") for each in made}) == 1
        again = await prepare_job_access(databases[0], url)
        assert (again.role, again.beyond) == (role, ())
        try:
            job = await Database.open(again.url_for("one", "interview-one"))
            assert await hold_interview(job) == ["What did you do?", "My answer."]
            assert await job.run("lacking", lambda c: lacking(c, role, OF_JOBS)) == []
            assert await job.run("too_much", lambda c: too_much(c, role)) == []
            await job.aclose()
        finally:
            for each in databases:
                await each.aclose()
            await drop(empty_database_url, role)


async def test_a_database_that_is_restored_on_another_server_gets_its_role_again(
    database: Database, migrated_database_url: str
) -> None:
    """A dump has the row of `job_access`, but neither the role nor its privileges."""
    await create_interview(database, interview_id="one", plan=PLAN, candidate_name="Ada")
    before = await prepare_job_access(database, migrated_database_url)
    await drop(migrated_database_url, before.role)
    again = await prepare_job_access(database, migrated_database_url)
    try:
        assert again.url_for("one", "interview-one") == before.url_for("one", "interview-one")
        job = await Database.open(again.url_for("one", "interview-one"))
        assert await hold_interview(job) == ["What did you do?", "My answer."]
        await job.aclose()
    finally:
        await drop(migrated_database_url, again.role)


async def test_jobs_of_an_owner_that_may_make_no_role_connect_as_the_worker(
    empty_database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log at the start and the doctor say so."""
    async with owner(empty_database_url, "NOCREATEROLE") as url:
        database = await Database.open(url)
        await migrated_with_interview(database)
        settings = settings_of(url, tmp_path)
        jobs = JobDatabase(settings, lambda: database)
        with caplog.at_level(logging.WARNING):
            await jobs.prepare()
        assert "with all rights of the worker" in caplog.text
        refused = "may not create a job role (InsufficientPrivilegeError 42501)"
        assert refused in caplog.text
        given = jobs.url_for(json.dumps({"interview_id": "one"}), "interview-one")
        assert given == url
        job = await Database.open(given)
        assert await hold_interview(job) == ["What did you do?", "My answer."]
        finding = await check_job_role(CheckContext(settings))
        assert finding.verdict == "warning"
        assert "role owner_of_all may not make a role" in finding.found
        assert "CREATEROLE" in finding.advice
        await job.aclose()
        await database.aclose()


async def test_a_role_that_somebody_else_made_gets_its_privileges_from_the_owner(
    empty_database_url: str, tmp_path: Path
) -> None:
    async with owner(empty_database_url, "NOCREATEROLE") as url:
        database = await Database.open(url)
        await migrated_with_interview(database)
        await execute_at(empty_database_url, "CREATE ROLE jobs_by_hand LOGIN")
        job_url = url.replace("//owner_of_all@", "//jobs_by_hand@", 1)
        try:
            access = await prepare_job_access(database, url, job_url=job_url)
            job = await Database.open(access.url_for("one", "interview-one"))
            assert await hold_interview(job) == ["What did you do?", "My answer."]
            settings = settings_of(url, tmp_path, INTERVIEW_DATABASE_JOB_URL=job_url)
            assert (await check_job_role(CheckContext(settings))).verdict == "ok"
            await job.aclose()
        finally:
            await database.aclose()
            await drop(empty_database_url, "jobs_by_hand")
