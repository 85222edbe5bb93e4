"""The store behind a real PgBouncer in transaction mode, with few shared server connections."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import psutil
import pytest

from tests.support.database.database_urls import server_socket
from tests.support.database.embedded_processes import wait_for_end
from tests.support.database.job_records import JobRecords, header
from tests.support.database.pgbouncer import PgBouncer
from tests.support.debian_programs import debian_program
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.database import Database
from worker.store.embedded.layout import Layout
from worker.store.errors import DatabaseUnavailable
from worker.store.interview_turns import turns_of
from worker.store.interviews import create_interview, get_interview
from worker.store.job_access import prepare_job_access
from worker.store.jobs import get_job, records_of, ship
from worker.store.migrate import migrate
from worker.store.schema import known_migrations
from worker.store.url import DatabaseUrl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from worker.store.connection import Connection

SERVER_CONNECTIONS = 2


@pytest.fixture
async def pgbouncer(postgres_url: str) -> AsyncIterator[PgBouncer]:
    program = debian_program("pgbouncer")
    async with PgBouncer(
        program, server_socket(postgres_url), server_connections=SERVER_CONNECTIONS
    ) as pgbouncer:
        yield pgbouncer


@pytest.fixture
async def pooled(pgbouncer: PgBouncer, migrated_database_url: str) -> AsyncIterator[Database]:
    """Yield a `Database` with the newest schema, through PgBouncer."""
    db = await Database.open(pgbouncer.url(migrated_database_url))
    yield db
    await db.aclose()


def whole_job() -> JobRecords:
    """Return the records of a job from start to end, with a turn of each speaker."""
    journal = JobRecords()
    journal.transition("RUNNING")
    journal.add("condition", resource="vad", status="ready", reason="", message="", since=1)
    journal.said("interviewer", "What?")
    journal.said("candidate", "This.")
    journal.transition("CLOSED", outcome="completed", reason="InterviewCompleted")
    return journal


async def backend(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


def server_of(data_dir: Path) -> psutil.Process:
    """Return the embedded server's process, from its lock file."""
    lines = (Layout.of(data_dir).cluster / "postmaster.pid").read_text().splitlines()
    return psutil.Process(int(lines[0]))


async def test_two_workers_migrate_at_once(pgbouncer: PgBouncer, empty_database_url: str) -> None:
    databases = [await Database.open(pgbouncer.url(empty_database_url)) for _ in range(2)]
    applied = await asyncio.gather(*(migrate(db) for db in databases))
    versions = [migration.version for migration in known_migrations()]
    assert sorted(version for each in applied for version in each) == versions
    await asyncio.gather(*(db.aclose() for db in databases))


async def test_an_interview_is_created_shipped_and_read_back(pooled: Database) -> None:
    await create_interview(pooled, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    records = whole_job().records
    portions = [records[:3], records[2:], records]
    await asyncio.gather(*(ship(pooled, header(), portion) for portion in portions))
    assert await records_of(pooled, "AJ_1") == records
    assert [turn.speaker for turn in await turns_of(pooled, "one")] == ["interviewer", "candidate"]
    job, interview = await get_job(pooled, "AJ_1"), await get_interview(pooled, "one")
    assert job is not None
    assert interview is not None
    assert job.outcome == interview.outcome == "completed"


async def test_ten_client_connections_share_two_server_connections(pooled: Database) -> None:
    backends = await asyncio.gather(*(pooled.run("backend", backend) for _ in range(60)))
    assert len(set(backends)) <= SERVER_CONNECTIONS
    assert SERVER_CONNECTIONS < pooled.use().connections <= 10


async def test_single_statements_share_the_server_connections_too(pooled: Database) -> None:
    query = "SELECT pg_backend_pid() AS pid, $1::text[] AS words"
    found = await asyncio.gather(*(pooled.fetch("backend", query, ["a"]) for _ in range(60)))
    assert len({row["pid"] for (row,) in found}) <= SERVER_CONNECTIONS
    assert all(row["words"] == ["a"] for (row,) in found)


async def test_a_single_statement_that_is_given_up_frees_its_server_connection(
    pooled: Database,
) -> None:
    for _ in range(SERVER_CONNECTIONS + 1):
        with pytest.raises(DatabaseUnavailable):
            await pooled.fetch("endless", "SELECT pg_sleep(600)", budget_s=0.5)
    assert await asyncio.gather(*(pooled.run("backend", backend) for _ in range(10)))


async def test_no_prepared_statement_stays_on_a_server_connection(pooled: Database) -> None:
    await asyncio.gather(
        *(ship(pooled, header(f"AJ_{number}"), whole_job().records) for number in range(10)),
        *(pooled.fetch("add", "SELECT $1::integer + 1", number) for number in range(10)),
    )
    both = asyncio.Barrier(SERVER_CONNECTIONS)

    async def left(connection: Connection) -> tuple[int, list[str]]:
        pid = await backend(connection)
        await both.wait()
        rows = await connection.fetch("SELECT name FROM pg_prepared_statements")
        return pid, [row["name"] for row in rows]

    found = await asyncio.gather(*(pooled.run("left", left) for _ in range(SERVER_CONNECTIONS)))
    assert len(dict(found)) == SERVER_CONNECTIONS
    assert [names for _, names in found] == [[], []]


async def test_an_operation_survives_a_restart_of_pgbouncer(
    pgbouncer: PgBouncer, pooled: Database
) -> None:
    tries = 0

    async def interrupted_once(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            await pgbouncer.restart()
        return await backend(connection)

    assert await pooled.run("interrupted_once", interrupted_once, budget_s=30)
    assert tries == 2


async def test_an_operation_survives_a_restart_of_the_server_behind_pgbouncer(
    server_dir: Path, pooled: Database
) -> None:
    tries = 0

    async def interrupted_once(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            server = server_of(server_dir)
            server.send_signal(signal.SIGINT)  # the keeper process starts it again
            await asyncio.to_thread(wait_for_end, server)
        return await backend(connection)

    assert await pooled.run("interrupted_once", interrupted_once, budget_s=60)
    assert tries == 2


async def test_pgbouncer_that_asks_the_server_for_passwords_lets_the_role_of_the_jobs_through(
    postgres_url: str, database: Database, migrated_database_url: str
) -> None:
    plan = load_plan(SAMPLE_PLAN).to_json()
    await create_interview(database, interview_id="one", plan=plan)
    program, socket = debian_program("pgbouncer"), server_socket(postgres_url)
    async with PgBouncer(program, socket, server_connections=2, password="known") as pgbouncer:
        url = pgbouncer.url(migrated_database_url)
        worker = await Database.open(url)
        access = await prepare_job_access(worker, url)
        job_url = access.url_for("one", "interview-one")
        job = await Database.open(job_url)
        found = await get_interview(job, "one")
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(str(replace(DatabaseUrl.of(job_url), password="wrong")))
        await job.aclose()
        await worker.aclose()
    statements = (f'DROP OWNED BY "{access.role}"', f'DROP ROLE "{access.role}"')
    await database.run("drop", lambda connection: connection.execute("; ".join(statements)))
    assert found is not None
    assert found.plan == plan
