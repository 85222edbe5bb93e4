"""Helpers for tests of the role that jobs have in the database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.support.database.job_records import JobRecords
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.database import Database
from worker.store.url import DatabaseUrl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.store.connection import Connection
    from worker.store.job_access import JobAccess


PLAN = load_plan(SAMPLE_PLAN).to_json()


async def execute(db: Database, *statements: str) -> None:
    async def run(connection: Connection) -> None:
        for statement in statements:
            await connection.execute(statement)

    await db.run("test", run)


async def drop(db: Database, role: str) -> None:
    await execute(db, f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')


async def rows_of(db: Database) -> tuple[int, int]:
    """Return how many leases and how many looks are stored."""
    looks = "(SELECT count(*) FROM orphans) AS looks"
    (row,) = await db.fetch("count", f"SELECT (SELECT count(*) FROM leases) AS leases, {looks}")
    return row["leases"], row["looks"]


def pass_in(access: JobAccess, interview_id: str) -> str:
    own_pass = DatabaseUrl.of(access.url_for(interview_id, f"interview-{interview_id}")).own_pass
    assert own_pass is not None
    return own_pass


def answer(text: str = "My answer.") -> JobRecords:
    journal = JobRecords()
    journal.transition("RUNNING")
    journal.add("condition", resource="vad", status="ready", reason="", message="", since=1)
    journal.said("interviewer", "What did you do?")
    journal.said("candidate", text)
    journal.add("hearing", final="And then", interim="I", question_id="q2")
    return journal


@asynccontextmanager
async def poor_worker(database: Database, url: str) -> AsyncIterator[str]:
    """Yield the URL of a worker that owns nothing and may make no role."""
    await execute(
        database,
        "CREATE ROLE poor_worker LOGIN",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO poor_worker",
    )
    try:
        yield url.replace("//postgres@", "//poor_worker@", 1)
    finally:
        await drop(database, "poor_worker")
