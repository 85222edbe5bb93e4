"""Queries on a database with years of interviews: few rows read, by an index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.database.cli_process import command
from tests.support.database.job_records import JobRecords, header
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.database import Database, PoolLimits
from worker.store.interview_dialogue import dialogue_of, turns_and_dialogue_of
from worker.store.interview_status import set_dispatched
from worker.store.interview_turns import turns_of, typed_turns
from worker.store.interviews import (
    InterviewStatus,
    create_interview,
    get_interview,
    list_interviews,
    remove_untaken_interview,
)
from worker.store.jobs import get_job, list_jobs, records_of, ship

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from worker.store.connection import Connection

#: Enough rows for PostgreSQL to prefer an index to a sequential scan.
MANY = 5000
#: Tables that have no row here, or a handful: for those no index is used.
SMALL = ["schema_migrations", "leases", "tombstones", "outbox_readers"]
#: More rows than a command lists by default.
SOME = 150
FILL = (
    "INSERT INTO interviews (interview_id, room, candidate_identity, plan, status, outcome,"
    " created_at) SELECT 'iv-' || n, 'room-' || n, 'candidate-' || n, '{}', 'ended', 'completed',"
    " now() - n * interval '1 minute' FROM generate_series(1, $1::integer) AS n",
    "INSERT INTO jobs (job_id, interview_id, started_at)"
    " SELECT 'AJ-' || n, 'iv-' || n, now() - n * interval '1 minute'"
    " FROM generate_series(1, $1::integer) AS n",
    "INSERT INTO job_records (job_id, seq, at, t, kind, record)"
    " SELECT 'AJ-' || n, seq, now(), seq, 'step', '{}'"
    " FROM generate_series(1, $1::integer) AS n, generate_series(1, 10) AS seq",
    "INSERT INTO turns (job_id, seq, interview_id, at, speaker, text)"
    " SELECT 'AJ-' || n, seq, 'iv-' || n, now(), 'candidate', 'words'"
    " FROM generate_series(1, $1::integer) AS n, generate_series(1, 4) AS seq",
)


@pytest.fixture
async def full(migrated_database_url: str) -> AsyncIterator[Database]:
    """Yield a database with many interviews on one connection: statistics count per connection."""
    db = await Database.open(migrated_database_url, PoolLimits(size=1, overflow=0))
    await fill(db, MANY)
    yield db
    await db.aclose()


async def fill(db: Database, interviews: int) -> None:
    """Insert `interviews` interviews, each with its job, records and turns."""

    async def insert(connection: Connection) -> None:
        for statement in FILL:
            await connection.execute(statement, interviews)
        await connection.execute("ANALYZE")

    await db.run("fill", insert, budget_s=60)


async def whole_reads(db: Database) -> int:
    """Return the number of sequential scans of tables."""
    await db.run("flush", lambda c: c.execute("SELECT pg_stat_force_next_flush()"))
    counted = (
        "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname <> ALL($1::text[])"
    )
    return int(await db.run("count", lambda c: c.fetchval(counted, SMALL)))


async def test_no_query_scans_a_whole_table(full: Database) -> None:
    journal = JobRecords()
    journal.transition("RUNNING")
    journal.add("condition", resource="vad", status="ready", reason="", message="", since=1)
    journal.said("candidate", "words")
    journal.transition("CLOSED", outcome="completed", reason="InterviewCompleted")
    before = await whole_reads(full)
    assert len(await list_interviews(full)) == 100
    assert await list_interviews(full, status=InterviewStatus.RUNNING) == []
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert 0 < len(await list_interviews(full, since=hour_ago)) <= 60
    day_ago = hour_ago - timedelta(days=1)
    assert len(await list_interviews(full, since=day_ago, until=hour_ago, limit=5)) == 5
    assert len(await list_jobs(full)) == 100
    assert len(await list_jobs(full, "iv-77")) == 1
    assert await get_interview(full, "iv-77") is not None
    assert await typed_turns(full, "iv-77") == set()
    assert await dialogue_of(full, "iv-77") == []
    assert await get_job(full, "AJ-77") is not None
    assert len(await turns_of(full, "iv-77")) == 4
    assert len((await turns_and_dialogue_of(full, "iv-77"))[0]) == 4
    assert len(await records_of(full, "AJ-77")) == 10
    await create_interview(full, interview_id="new", plan=load_plan(SAMPLE_PLAN).to_json())
    await set_dispatched(full, "new", dispatch_id="D1")
    assert not await remove_untaken_interview(full, "new")
    await ship(full, header("AJ_new", "new"), journal.records)
    assert await whole_reads(full) == before


@pytest.mark.parametrize("name", ["interviews", "jobs"])
async def test_a_truncated_list_says_that_it_is_truncated(
    database: Database, migrated_database_url: str, tmp_path: Path, name: str
) -> None:
    await fill(database, SOME)
    settings = {"DATABASE_URL": migrated_database_url, "COLUMNS": "200"}
    short = await command(name, "list", "--limit", "3", settings=settings, folder=tmp_path)
    assert short.code == 0
    assert len(short.out.splitlines()) == 1 + 3
    assert short.error == "interview-worker: the newest 3 are shown; --limit shows more"
    whole = await command(name, "list", "--limit", str(SOME), settings=settings, folder=tmp_path)
    assert len(whole.out.splitlines()) == 1 + SOME
    assert whole.err == ""
