"""Every kind of connection loss to the database while a job ships its journal."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from states import Event, Status
from tests.support.database.database_urls import through
from tests.support.database.running_job import RunningJob
from worker.aio.backoff import ExponentialBackoff
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.journal import shipper
from worker.journal.shipper import ship_live, stop_shipping
from worker.store.database import Database, PoolLimits
from worker.store.interview_turns import turns_of
from worker.store.interviews import create_interview
from worker.store.jobs import records_of
from worker.store.jobs import ship as store_ship

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins.tcp_proxy import TcpProxy

LIMITS = PoolLimits(
    connect_timeout_s=0.2, statement_timeout_s=0.2, verify_timeout_s=0.2, acquire_timeout_s=0.2
)
#: Budget in seconds of one attempt to ship: enough for a busy machine, short for a test.
TRY_S = 1.0


@pytest.fixture
async def direct(database: Database) -> Database:
    """Return a direct `Database` that no fault affects, with the interview `one`."""
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    return database


@pytest.fixture
async def job(
    direct: Database,
    proxy: TcpProxy,
    migrated_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[RunningJob]:
    """Yield a job that has started to ship through the proxy."""
    monkeypatch.setattr(shipper, "ship", functools.partial(store_ship, budget_s=TRY_S))
    monkeypatch.setattr(shipper, "_BATCH_S", 0.0)
    monkeypatch.setattr(shipper, "_RETRY", ExponentialBackoff(first_s=0.0, longest_s=0.0))
    behind_proxy = await Database.open(through(proxy, migrated_database_url), LIMITS)
    async with RunningJob() as job:
        await job.run_with_database()
        ship_live(job.life, behind_proxy)
        job.says("before")
        await everything_is_stored(direct, job)
        yield job
        await stop_shipping()
    await behind_proxy.aclose(budget_s=1.0)


async def everything_is_stored(database: Database, job: RunningJob) -> None:
    """Return once the database holds the journal record by record, and each turn once."""
    while await records_of(database, "AJ_1") != job.records:
        pass
    said = [record["text"] for record in job.records if record["kind"] == "turn"]
    assert [turn.text for turn in await turns_of(database, "one")] == said


@pytest.mark.parametrize("fault", ["stall", "half-open", "cut", "refuse", "cut and refuse"])
async def test_turns_during_an_outage_are_stored_once_and_in_order(
    direct: Database, job: RunningJob, proxy: TcpProxy, fault: str
) -> None:
    match fault:
        case "stall":
            proxy.stall()
        case "half-open":
            proxy.stall(new=False)
        case "cut":
            proxy.cut()
        case "refuse":
            proxy.refuse()
        case "cut and refuse":
            proxy.refuse()
            proxy.cut()
    job.says("while it was down")
    if fault in ("stall", "cut and refuse"):
        lost = await job.database_is(Status.LOST)
        assert lost.reason == "DatabaseUnavailable"
        job.says("and again")
    await proxy.heal()
    job.says("after")
    await job.database_is(Status.READY)
    await everything_is_stored(direct, job)


async def test_repeated_connection_losses_lose_no_record(
    direct: Database, job: RunningJob, proxy: TcpProxy
) -> None:
    for number in range(10):
        job.says(f"word {number}")
        proxy.cut()
        await proxy.accepted(1 + number)
    await everything_is_stored(direct, job)


async def test_a_slow_connection_loses_no_record(
    direct: Database, job: RunningJob, proxy: TcpProxy
) -> None:
    proxy.delay(0.03)
    for number in range(5):
        job.says(f"word {number}")
    await everything_is_stored(direct, job)
    await job.database_is(Status.READY)


async def test_a_long_table_lock_does_not_pile_up_statements(
    direct: Database, job: RunningJob, migrated_database_url: str
) -> None:
    other = await asyncpg.connect(migrated_database_url)
    lock = other.transaction()
    await lock.start()
    await other.execute("LOCK TABLE job_records IN ACCESS EXCLUSIVE MODE")
    job.says("while it was locked")
    lost = await job.database_is(Status.LOST)
    assert lost.reason == "DatabaseUnavailable"
    in_line = await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
    assert in_line <= 1
    await lock.rollback()
    await other.close()
    await job.database_is(Status.READY)
    await everything_is_stored(direct, job)


async def refuse_turns(database: Database) -> None:
    """Let the database refuse each turn with the text `refused`."""
    constraint = "ALTER TABLE turns ADD CHECK (text <> 'refused')"
    await database.run("break", lambda c: c.execute(constraint))


async def test_a_refused_statement_is_reported_and_retried(
    direct: Database, job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipper, "_TRIES", math.inf)
    await refuse_turns(direct)
    job.says("refused")
    lost = await job.database_is(Status.LOST)
    assert lost.reason == "DatabaseOperationFailed"
    await direct.run(
        "mend", lambda c: c.execute("ALTER TABLE turns DROP CONSTRAINT turns_text_check")
    )
    await job.database_is(Status.READY)
    await everything_is_stored(direct, job)


async def test_a_record_that_is_refused_for_good_keeps_no_other_from_the_database(
    direct: Database, job: RunningJob, caplog: pytest.LogCaptureFixture
) -> None:
    await refuse_turns(direct)
    for text in ("one", "refused", "two"):
        job.says(text)

    def others() -> list[dict[str, Any]]:
        return [record for record in job.records if record.get("text") != "refused"]

    while await records_of(direct, "AJ_1") != others():
        pass
    await job.database_is(Status.READY)
    (refused,) = (each for each in job.records if each.get("text") == "refused")
    (line,) = (
        each for each in caplog.records if getattr(each, "event", "") == "journal_record_refused"
    )
    assert getattr(line, "seq", None) == refused["seq"]


async def test_records_of_a_long_outage_are_shipped_in_batches(
    direct: Database, job: RunningJob, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipper, "BATCH", 20)
    proxy.stall()
    for number in range(95):
        job.says(f"word {number}")
    await job.database_is(Status.LOST)
    await proxy.heal()
    await job.database_is(Status.READY)
    await everything_is_stored(direct, job)


@pytest.mark.row("S6")
async def test_the_job_continues_while_the_database_is_unavailable(
    job: RunningJob, proxy: TcpProxy
) -> None:
    proxy.refuse()
    proxy.cut()
    job.says("something")
    await job.database_is(Status.LOST)
    await job.life.fire(Event.INTERVIEW_COMPLETED)
    assert [r["event"] for r in job.records if r["kind"] == "internal"][-1] == "resource_lost"
