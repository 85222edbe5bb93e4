"""Workers and databases of different versions: side by side if compatible, refused if not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from states import Status
from tests.support.database.cli_process import command
from tests.support.database.job_records import JobRecords, header
from tests.support.database.running_job import RunningJob
from worker.aio.backoff import ExponentialBackoff
from worker.cli.common import ExitCode
from worker.config.settings import Settings
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.journal import shipper
from worker.journal.shipper import ship_live, stop_shipping
from worker.resources.bootstrap import AgentResources
from worker.resources.database import database_resource
from worker.resources.resource import LoadFailed
from worker.store.database import Database
from worker.store.interview_turns import turns_of
from worker.store.interviews import create_interview, get_interview, list_interviews
from worker.store.jobs import get_job, list_jobs, records_of, ship
from worker.store.migrate import migrate
from worker.store.schema import (
    Migration,
    SchemaTooNew,
    SchemaTooOld,
    check_schema,
    known_migrations,
)

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.connection import Connection

KNOWN = known_migrations()
#: A migration of a newer worker that older workers can live with.
ADDITIVE = Migration(
    version=KNOWN[-1].version + 1,
    sql="ALTER TABLE interviews ADD COLUMN brief text;"
    " ALTER TABLE jobs ADD COLUMN region text NOT NULL DEFAULT 'here';"
    " ALTER TABLE job_records ADD COLUMN size integer;"
    " ALTER TABLE turns ADD COLUMN language text NOT NULL DEFAULT 'en';"
    " CREATE TABLE more (n integer)",
)
BREAKING = Migration(version=2001, sql="ALTER TABLE turns RENAME COLUMN text TO words")
NEWER_GENERATION = (
    f"interview-worker: the database's schema (migration 2001) is too new for this worker "
    f"(knows {KNOWN[-1].version:04}): upgrade the worker"
)


async def apply(database: Database, migration: Migration) -> None:
    """Migrate as a newer worker does at its start."""
    await migrate(database, [*KNOWN, migration])


def some_records() -> JobRecords:
    journal = JobRecords()
    journal.transition("RUNNING")
    journal.said("interviewer", "What?")
    journal.said("candidate", "This.")
    return journal


def settings_for(url: str, folder: Path) -> Settings:
    return Settings.load(_env_file=None, DATABASE_URL=url, INTERVIEW_DATA_DIR=folder)


# --- one additive migration apart ---------------------------------------------------------------


async def test_a_worker_works_on_a_schema_with_one_more_additive_migration(
    database: Database,
) -> None:
    await apply(database, ADDITIVE)
    assert await migrate(database) == []
    await database.run("check_schema", check_schema)
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    records = some_records().records
    assert (await ship(database, header(), records)).written == len(records)
    assert await records_of(database, "AJ_1") == records
    assert [turn.text for turn in await turns_of(database, "one")] == ["What?", "This."]
    assert [job.job_id for job in await list_jobs(database)] == ["AJ_1"]
    assert [interview.interview_id for interview in await list_interviews(database)] == ["one"]


async def test_an_older_and_a_newer_worker_write_concurrently(
    database: Database, migrated_database_url: str
) -> None:
    """The newer worker fills its new column; the older worker leaves the column unchanged."""
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    newer = await Database.open(migrated_database_url)

    async def brief(connection: Connection) -> None:
        await connection.execute("UPDATE interviews SET brief = 'short' WHERE interview_id = 'one'")

    shipping = asyncio.create_task(ship(database, header(), some_records().records))
    await apply(newer, ADDITIVE)
    await newer.run("brief", brief)
    await shipping
    journal = some_records()
    journal.transition("CLOSED", outcome="completed", reason="InterviewCompleted")
    await ship(database, header(), journal.records)
    interview = await get_interview(newer, "one")
    assert interview is not None
    assert interview.outcome == "completed"
    kept = "SELECT brief FROM interviews"
    assert await newer.run("brief", lambda c: c.fetchval(kept)) == "short"
    await newer.aclose()


async def test_new_names_written_by_a_newer_worker_do_not_stop_an_older_one(
    database: Database,
) -> None:
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    journal = JobRecords()
    journal.said("interviewer", "A riddle for you.", role="riddle")
    await ship(database, header(), journal.records)
    orchestrator = OrchestratorLLM("one")
    await orchestrator.init(database)
    (turn,) = orchestrator.turns
    assert (turn.text, turn.role) == ("A riddle for you.", None)


# --- a database of a newer generation -----------------------------------------------------------


async def test_a_newer_generation_refuses_records_of_an_older_worker(database: Database) -> None:
    await apply(database, BREAKING)
    only_transitions = JobRecords()
    only_transitions.transition("RUNNING")
    for journal in (only_transitions, some_records()):
        with pytest.raises(SchemaTooNew):
            await ship(database, header(), journal.records)
    assert await get_job(database, "AJ_1") is None


async def test_a_migration_during_shipping_is_detected(
    database: Database, migrated_database_url: str
) -> None:
    newer = await asyncpg.connect(migrated_database_url)
    transaction = newer.transaction()
    await transaction.start()
    await newer.execute("ALTER TABLE job_records ADD COLUMN another integer")
    await newer.execute("INSERT INTO schema_migrations (version, checksum) VALUES (2001, '')")
    shipping = asyncio.create_task(ship(database, header(), some_records().records))
    while not await newer.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        pass
    await transaction.commit()
    await newer.close()
    with pytest.raises(SchemaTooNew):
        await shipping
    assert await records_of(database, "AJ_1") == []


async def test_a_job_on_a_newer_generation_has_no_database(
    database: Database, migrated_database_url: str, tmp_path: Path
) -> None:
    await apply(database, BREAKING)
    resource = database_resource(settings_for(migrated_database_url, tmp_path))
    with pytest.raises(LoadFailed) as failed:
        await resource.load(AgentResources())
    assert failed.value.reason == "SchemaTooNew"
    assert not failed.value.transient
    assert failed.value.meanwhile is None


async def test_a_running_job_stops_shipping_when_a_newer_generation_comes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipper, "_BATCH_S", 0.0)
    async with RunningJob() as job:
        await job.run_with_database()
        ship_live(job.life, database)
        while await records_of(database, "AJ_1") != job.records:
            pass
        shipped = list(job.records)
        await apply(database, BREAKING)
        job.says("what a newer worker reads from the journal")
        lost = await job.database_is(Status.LOST)
        assert lost.reason == "SchemaTooNew"
        await asyncio.gather(*(t for t in asyncio.all_tasks() if t.get_name() == "shipper"))
        assert await records_of(database, "AJ_1") == shipped
        await stop_shipping()


KEYS = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret" * 6}


@pytest.mark.parametrize(
    "arguments", [("start",), ("interviews", "create", "--candidate", "Ada"), ("jobs", "list")]
)
async def test_commands_on_a_newer_generation_end_with_one_clear_line(
    database: Database, migrated_database_url: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    await apply(database, BREAKING)

    async def livekit(_: web.Request) -> web.Response:
        return web.Response(content_type="application/protobuf")  # an empty list of rooms

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", livekit)
    async with TestServer(app) as server:
        settings = {
            **KEYS,
            "LIVEKIT_URL": str(server.make_url("/")),
            "DATABASE_URL": migrated_database_url,
            "INTERVIEW_HTTP_PORT": "0",
        }
        ended = await command(*arguments, settings=settings, folder=tmp_path)
    assert ended.error == NEWER_GENERATION
    assert ended.code == ExitCode.FAILED
    assert ended.out == ""


# --- an older database --------------------------------------------------------------------------


async def test_a_job_keeps_its_connection_to_a_database_without_schema(
    empty_database_url: str, tmp_path: Path
) -> None:
    resource = database_resource(settings_for(empty_database_url, tmp_path))
    with pytest.raises(LoadFailed) as failed:
        await resource.load(AgentResources())
    assert failed.value.reason == "SchemaTooOld"
    assert isinstance(failed.value.meanwhile, Database)
    await failed.value.meanwhile.aclose()


async def test_a_job_ships_as_soon_as_its_worker_has_migrated_the_database(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipper, "_BATCH_S", 0.0)
    monkeypatch.setattr(shipper, "_RETRY", ExponentialBackoff(first_s=0.0, longest_s=0.0))
    database = await Database.open(empty_database_url)
    async with RunningJob() as job:
        await job.run_with_database()
        ship_live(job.life, database)
        lost = await job.database_is(Status.LOST)
        assert lost.reason == "SchemaTooOld"
        await migrate(database)
        await job.database_is(Status.READY)
        while await records_of(database, "AJ_1") != job.records:
            pass
        await stop_shipping()
    await database.aclose()


async def test_a_schema_older_than_the_worker_is_named_with_both_numbers(
    empty_database_url: str,
) -> None:
    database = await Database.open(empty_database_url)
    with pytest.raises(SchemaTooOld, match=r"0000.*too old.*needs 10") as caught:
        await database.run("check_schema", check_schema)
    assert (caught.value.found, caught.value.known) == (0, KNOWN[-1].version)
    await database.aclose()
