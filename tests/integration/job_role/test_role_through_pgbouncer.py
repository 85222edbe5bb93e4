"""The role of the jobs behind PgBouncer, and what the doctor says of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.database.database_urls import server_socket
from tests.support.database.job_role import PLAN, execute, poor_worker
from tests.support.database.pgbouncer import PgBouncer
from tests.support.debian_programs import debian_program
from worker.config.settings import Settings
from worker.doctor.context import CheckContext
from worker.doctor.database_jobs import check_job_role
from worker.store.database import Database
from worker.store.interviews import InterviewClosedToJob, get_interview
from worker.store.job_access import prepare_job_access
from worker.store.job_role import NoJobRole

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.job_access import JobAccess


async def test_a_job_reads_its_plan_through_pgbouncer(
    access: JobAccess, postgres_url: str, migrated_database_url: str
) -> None:
    bouncer = PgBouncer(
        debian_program("pgbouncer"), server_socket(postgres_url), server_connections=2
    )
    bouncer.add_user(access.role)
    async with bouncer:
        url = bouncer.url(migrated_database_url)
        worker = await Database.open(url)
        behind = await prepare_job_access(worker, url)
        jobs = [
            await Database.open(behind.url_for(each, f"interview-{each}"))
            for each in ("one", "two")
        ]
        found = await asyncio.gather(
            *(
                get_interview(db, each)
                for _ in range(10)
                for db, each in zip(jobs, ("one", "two"), strict=True)
            )
        )
        with pytest.raises(InterviewClosedToJob):
            await get_interview(jobs[0], "two")
        for db in (worker, *jobs):
            await db.aclose()
    assert all(interview is not None and interview.plan == PLAN for interview in found)


async def test_a_role_that_pgbouncer_does_not_know_is_not_used(
    access: JobAccess, postgres_url: str, migrated_database_url: str
) -> None:
    bouncer = PgBouncer(
        debian_program("pgbouncer"), server_socket(postgres_url), server_connections=2
    )
    async with bouncer:
        url = bouncer.url(migrated_database_url)
        worker = await Database.open(url)
        with pytest.raises(NoJobRole, match=f"role {access.role} cannot connect"):
            await prepare_job_access(worker, url)
        await worker.aclose()


def visit_to(url: str, folder: Path) -> CheckContext:
    settings = Settings.load(_env_file=None, INTERVIEW_DATA_DIR=folder, DATABASE_URL=url)
    return CheckContext(settings)


async def test_the_doctor_names_the_role_and_what_it_may_do_beyond_its_list(
    access: JobAccess, database: Database, migrated_database_url: str, tmp_path: Path
) -> None:
    visit = visit_to(migrated_database_url, tmp_path)
    finding = await check_job_role(visit)
    assert (finding.verdict, finding.facts["role"]) == ("ok", access.role)
    await execute(database, f'GRANT DELETE ON turns TO "{access.role}"')
    finding = await check_job_role(visit)
    assert finding.verdict == "warning"
    assert finding.facts["beyond"] == ["delete from turns"]
    await execute(database, f'REVOKE INSERT ON turns FROM "{access.role}"')
    finding = await check_job_role(visit)
    assert "lacks INSERT on turns" in finding.found


async def test_the_doctor_says_if_jobs_have_the_rights_of_the_worker(
    database: Database, migrated_database_url: str, tmp_path: Path
) -> None:
    async with poor_worker(database, migrated_database_url) as url:
        finding = await check_job_role(visit_to(url, tmp_path))
    assert finding.verdict == "warning"
    assert "jobs connect with all rights of the worker" in finding.found
    assert "INTERVIEW_DATABASE_JOB_URL" in finding.advice
