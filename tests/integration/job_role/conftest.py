"""Databases as a job of an interview sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.database.job_role import PLAN, drop
from worker.store.database import Database
from worker.store.interviews import create_interview
from worker.store.job_access import prepare_job_access
from worker.store.url import DatabaseUrl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.store.job_access import JobAccess


@pytest.fixture
async def access(database: Database, migrated_database_url: str) -> AsyncIterator[JobAccess]:
    """Yield the access of jobs to a database with the interviews `one` and `two`."""
    for interview_id in ("one", "two"):
        await create_interview(database, interview_id=interview_id, plan=PLAN, candidate_name="Ada")
    access = await prepare_job_access(database, migrated_database_url)
    yield access
    await drop(database, access.role)


@pytest.fixture
async def job(access: JobAccess) -> AsyncIterator[Database]:
    """Yield the database as a job of the interview `one` has it."""
    db = await Database.open(access.url_for("one", "interview-one"))
    yield db
    await db.aclose()


@pytest.fixture
async def connection(access: JobAccess) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection of the jobs' role, for statements that no job sends."""
    connection = await asyncpg.connect(str(DatabaseUrl.of(access.url_for("one", "interview-one"))))
    yield connection
    await connection.close()
