"""The dump of an earlier version, restored and migrated: no table, column or row is missing."""

from __future__ import annotations

import asyncio
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

from states import Outcome
from tests.compat.captured import broken, readable
from worker.store.database import Database
from worker.store.interview_turns import turns_of
from worker.store.interviews import InterviewStatus, get_interview, list_interviews
from worker.store.job_access import prepare_job_access
from worker.store.jobs import get_job, list_jobs, records_of
from worker.store.schema import check_schema

if TYPE_CHECKING:
    from tests.compat.captured import Captured
    from tests.compat.conftest import Restored, Server

_COLUMNS = (
    "SELECT table_name || '.' || column_name AS name, data_type AS type"
    " FROM information_schema.columns WHERE table_schema = 'public'"
)
_MANY = 10_000


async def _columns(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        return {row["name"]: row["type"] for row in await connection.fetch(_COLUMNS)}
    finally:
        await connection.close()


async def _rows(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        return {
            name: await connection.fetchval(f"SELECT count(*) FROM {name}")  # noqa: S608
            for (name,) in tables
        }
    finally:
        await connection.close()


def test_no_byte_of_a_released_migration_has_changed(captured: Captured) -> None:
    folder = files("worker.store") / "migrations"
    found = {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest() for entry in folder.iterdir()
    }
    broken(
        [
            f"The migration {name} of version {captured} "
            + ("was changed" if name in found else "is gone")
            + ": a database that has applied it will not be migrated any more."
            for name, checksum in captured.data("migrations.json").items()
            if found.get(name) != checksum
        ]
    )


async def test_every_table_and_column_keeps_its_type_after_migration(
    captured: Captured, server: Server, restored: Restored
) -> None:
    before = await _columns(server.url_of(restored.as_dumped))
    after = await _columns(server.url_of(restored.shared))
    broken(
        [
            f"The column {name} ({kind}) of version {captured} is "
            + (f"now {after[name]}." if name in after else "gone.")
            for name, kind in before.items()
            if after.get(name) != kind
        ]
    )


async def test_migration_loses_no_row(
    captured: Captured, server: Server, restored: Restored
) -> None:
    before = await _rows(server.url_of(restored.as_dumped))
    after = await _rows(server.url_of(restored.shared))
    broken(
        [
            f"Of {count} rows in {table} of version {captured}, {after.get(table, 0)} are left."
            for table, count in before.items()
            if after.get(table, 0) < count
        ]
    )
    assert min(before[table] for table in ("interviews", "jobs", "turns", "job_records")) > 0


async def test_jobs_may_write_to_a_migrated_database(
    captured: Captured, shared_database: Database
) -> None:
    with readable(f"The schema of version {captured}"):
        await shared_database.run("check_schema", check_schema)


async def test_interviews_of_every_status_and_outcome_are_read(
    captured: Captured, shared_database: Database
) -> None:
    with readable(f"An interview of version {captured}"):
        interviews = await list_interviews(shared_database, limit=_MANY)
        for interview in interviews:
            assert await get_interview(shared_database, interview.interview_id) == interview
    stored = {InterviewStatus(s) for s in ("created", "dispatched", "running", "ended")}
    assert {interview.status for interview in interviews} == stored
    outcomes = {interview.outcome for interview in interviews if interview.outcome}
    assert outcomes == {
        Outcome.COMPLETED,
        Outcome.ABANDONED,
        Outcome.FAILED,
        Outcome.CANCELLED,
    }


async def test_jobs_of_every_outcome_are_read_with_their_records(
    captured: Captured, shared_database: Database
) -> None:
    with readable(f"A job of version {captured}"):
        jobs = await list_jobs(shared_database, limit=_MANY)
        for job in jobs:
            assert await get_job(shared_database, job.job_id) == job
            assert await records_of(shared_database, job.job_id) or job.state is None
    assert {job.outcome for job in jobs if job.outcome} == set(
        captured.data("names.json")["outcomes"]
    )


async def test_every_turn_is_read_including_late_ones_and_partial_answers(
    captured: Captured, shared_database: Database
) -> None:
    with readable(f"A turn of version {captured}"):
        interviews = await list_interviews(shared_database, limit=_MANY)
        found = await asyncio.gather(
            *(turns_of(shared_database, each.interview_id) for each in interviews)
        )
    turns = [turn for of_one in found for turn in of_one]
    stored = await shared_database.run(
        "count_turns",
        lambda connection: connection.fetchval(
            "SELECT count(*) FROM turns JOIN interviews USING (interview_id)"
        ),
    )
    half_answers = [t for t in turns if t.speaker == "candidate" and t.interrupted]
    late = [turn for turn in turns if turn.late]
    assert len(turns) >= stored
    assert {turn.speaker for turn in turns} == {"candidate", "interviewer"}
    assert late
    assert half_answers
    assert all(turn.text for turn in (*late, *half_answers))


async def test_jobs_read_their_interviews_with_the_role_of_the_jobs(
    captured: Captured, own_database: Database, own_url: str
) -> None:
    access = await prepare_job_access(own_database, own_url)
    interviews = await list_interviews(own_database, limit=_MANY)
    try:
        with readable(f"An interview of version {captured}"):
            for interview in interviews:
                job = await Database.open(access.url_for(interview.interview_id, interview.room))
                try:
                    assert await get_interview(job, interview.interview_id) == interview
                    turns = await turns_of(own_database, interview.interview_id)
                    assert await turns_of(job, interview.interview_id) == turns
                finally:
                    await job.aclose()
    finally:
        statements = f'DROP OWNED BY "{access.role}"; DROP ROLE "{access.role}"'
        await own_database.run("drop", lambda connection: connection.execute(statements))
