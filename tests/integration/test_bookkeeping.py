"""The worker's main process and the database: migration and ingestion once it is available."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from states import FileJournal
from tests.support.database.database_urls import through
from worker.aio.backoff import ExponentialBackoff
from worker.config.settings import Settings
from worker.journal.recovery import Ingestion, ingest_journal
from worker.server import journal_backlog, journal_collector, journal_ingestion, journal_search
from worker.server.journal_collector import JournalCollector
from worker.store.database import Database
from worker.store.jobs import get_job
from worker.store.schema import SchemaTooNew, check_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.stand_ins.tcp_proxy import TcpProxy


@pytest.fixture
async def direct(empty_database_url: str) -> AsyncIterator[Database]:
    """Yield a direct `Database` that no fault affects; it has no schema at first."""
    db = await Database.open(empty_database_url)
    yield db
    await db.aclose()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = ExponentialBackoff(first_s=0.0, longest_s=0.0)
    monkeypatch.setattr(journal_collector, "_RETRY", at_once)
    monkeypatch.setattr(journal_ingestion, "_RETRY", at_once)
    monkeypatch.setattr(journal_collector, "_START_BUDGET_S", 0.3)


def settings_in(folder: Path, url: str) -> Settings:
    return Settings.load(_env_file=None, DATABASE_URL=url, INTERVIEW_DATA_DIR=folder)


def leave_journal(settings: Settings, job_id: str, **header: Any) -> Path:
    """Write the journal of a job whose process is gone."""
    path = settings.journal_dir / f"{job_id}.jsonl"
    journal = FileJournal(path)
    journal.append("job", 0.0, job_id=job_id, **header)
    journal.append("transition", 0.0, **{"from": None, "event": None, "to": "HANDSHAKE"})
    journal.close()
    return path


async def shipped(db: Database, job_id: str) -> None:
    """Return once the database has the job and its outcome."""
    while (job := await get_job(db, job_id)) is None or job.outcome is None:
        pass


async def test_the_schema_is_migrated_and_journals_are_shipped(
    direct: Database, empty_database_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, empty_database_url)
    left = leave_journal(settings, "AJ_left")
    books = JournalCollector(settings)
    await books.open()
    await direct.run("check_schema", check_schema)
    books.ship_leftovers()
    await shipped(direct, "AJ_left")
    ended = leave_journal(settings, "AJ_ended")
    books.ship("AJ_ended", exit_code=-9)
    await shipped(direct, "AJ_ended")
    await books.aclose()
    job = await get_job(direct, "AJ_ended")
    assert job is not None
    assert (job.exit_code, job.signal) == (-9, 9)
    assert not left.exists()
    assert not ended.exists()


async def test_a_database_down_at_the_start_is_migrated_and_filled_later(
    direct: Database, proxy: TcpProxy, empty_database_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, through(proxy, empty_database_url))
    path = leave_journal(settings, "AJ_1")
    proxy.refuse()
    books = JournalCollector(settings)
    await books.open()
    books.ship_leftovers()
    await proxy.heal()
    while not await direct.run("schema", lambda c: c.fetchval("SELECT to_regclass('jobs')")):
        pass
    await shipped(direct, "AJ_1")
    await books.aclose()
    assert not path.exists()


async def test_an_unexpected_error_of_one_journal_stops_neither_the_others_nor_a_redispatch(
    direct: Database, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ingest(database: Database, path: Path, **how: Any) -> Ingestion:
        if path.stem == "AJ_1":
            raise ZeroDivisionError
        return await ingest_journal(database, path, **how)

    monkeypatch.setattr(journal_ingestion, "ingest_journal", ingest)
    settings = settings_in(tmp_path, empty_database_url)
    for job_id in ("AJ_1", "AJ_2"):
        leave_journal(settings, job_id)
    books = JournalCollector(settings)
    await books.open()
    books.ship_leftovers()
    await shipped(direct, "AJ_2")
    told: asyncio.Queue[str] = asyncio.Queue()
    books.ship("AJ_1", exit_code=1, then=told.put)
    assert await told.get() == "AJ_1"
    await books.aclose()


async def test_a_journal_waits_while_the_database_is_unavailable(
    direct: Database, proxy: TcpProxy, empty_database_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, through(proxy, empty_database_url))
    books = JournalCollector(settings)
    await books.open()
    proxy.refuse()
    proxy.cut()
    leave_journal(settings, "AJ_1")
    books.ship("AJ_1", exit_code=0)
    await proxy.heal()
    await shipped(direct, "AJ_1")
    await books.aclose()


async def test_a_redispatch_waits_until_the_unavailable_database_has_the_journal(
    direct: Database, proxy: TcpProxy, empty_database_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, through(proxy, empty_database_url))
    books = JournalCollector(settings)
    await books.open()
    proxy.refuse()
    proxy.cut()
    leave_journal(settings, "AJ_1")
    redispatched: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    async def redispatch(job_id: str) -> None:
        redispatched.put_nowait((job_id, await get_job(direct, job_id) is not None))

    books.ship("AJ_1", exit_code=-9, then=redispatch)
    await direct.ping()
    assert redispatched.empty()
    await proxy.heal()
    assert await redispatched.get() == ("AJ_1", True)
    await books.aclose()
    assert redispatched.empty()


async def test_a_newer_generation_is_an_error_at_the_workers_start(
    database: Database, migrated_database_url: str, tmp_path: Path
) -> None:
    newer = "INSERT INTO schema_migrations (version, checksum) VALUES (2001, '')"
    await database.run("newer", lambda c: c.execute(newer))
    with pytest.raises(SchemaTooNew):
        await JournalCollector(settings_in(tmp_path, migrated_database_url)).open()


async def test_a_stopping_worker_does_not_wait_for_an_unavailable_database(
    proxy: TcpProxy, empty_database_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, through(proxy, empty_database_url))
    path = leave_journal(settings, "AJ_1")
    proxy.refuse()
    books = JournalCollector(settings)
    await books.open()
    books.ship_leftovers()
    await books.aclose()
    assert path.exists()


async def test_a_stopping_worker_does_not_wait_for_a_journal_that_is_still_read(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing")
    left = leave_journal(settings, "AJ_left")
    books = JournalCollector(settings)
    await books.open()
    reading = asyncio.Event()

    async def read() -> None:
        reading.set()
        await asyncio.Event().wait()

    books.ship("AJ_left", exit_code=0, after=read())
    await reading.wait()
    async with asyncio.timeout(2.0):
        await books.aclose()
    assert left.exists()


async def test_without_a_database_url_journals_are_kept_and_not_shipped(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, "")
    path = leave_journal(settings, "AJ_1")
    books = JournalCollector(settings)
    await books.open()
    books.ship_leftovers()
    await books.aclose()
    assert path.exists()


async def test_only_journals_shipped_long_ago_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, "")
    shipped = settings.journal_dir / "shipped"
    shipped.mkdir(parents=True)
    waiting = leave_journal(settings, "waiting")
    old, young = shipped / "old.jsonl", shipped / "young.jsonl"
    for path in (old, young):
        path.write_text("{}\n")
    a_while_ago = time.time() - 8 * 86_400
    for path in (old, waiting):
        os.utime(path, (a_while_ago, a_while_ago))
    books = JournalCollector(settings)
    gone = asyncio.Event()
    monkeypatch.setattr(journal_collector.logger, "info", lambda *_, **__: gone.set())

    books.remove_old_journals()
    await gone.wait()
    await books.aclose()

    assert not old.exists()
    assert young.exists()
    assert waiting.exists()


async def test_a_leftovers_waiting_time_counts_from_its_last_record(
    direct: Database, proxy: TcpProxy, empty_database_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, through(proxy, empty_database_url))
    an_hour_ago = time.time() - 3600
    for n in range(3):
        os.utime(leave_journal(settings, f"AJ_{n}"), (an_hour_ago, an_hour_ago))
    proxy.refuse()
    books = JournalCollector(settings)
    await books.open()
    books.ship_leftovers()
    async with asyncio.timeout(30):
        while books.waiting[0] < 3:
            await direct.ping()  # a thread lists the journals in the background
    assert books.waiting[1] >= 3600

    await proxy.heal()
    while not await direct.run("schema", lambda c: c.fetchval("SELECT to_regclass('jobs')")):
        pass
    for n in range(3):
        await shipped(direct, f"AJ_{n}")
    await books.aclose()
    assert books.waiting == (0, 0)


async def test_a_journal_that_the_database_refuses_keeps_waiting(
    direct: Database, empty_database_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, empty_database_url)
    books = JournalCollector(settings)
    await books.open()
    await direct.run("refuse", lambda c: c.execute("ALTER TABLE job_records ADD CHECK (false)"))
    path = leave_journal(settings, "AJ_1")
    books.ship("AJ_1", exit_code=0)
    await books.aclose()
    assert path.exists()
    assert books.waiting[0] == 1


async def test_a_journal_that_cannot_be_ingested_does_not_prevent_a_redispatch(
    direct: Database, empty_database_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, empty_database_url)
    books = JournalCollector(settings)
    await books.open()
    await direct.run("refuse", lambda c: c.execute("ALTER TABLE job_records ADD CHECK (false)"))
    path = leave_journal(settings, "AJ_1")
    redispatched: asyncio.Queue[str] = asyncio.Queue()
    books.ship("AJ_1", exit_code=-9, then=redispatched.put)
    assert await redispatched.get() == "AJ_1"
    await books.aclose()
    assert path.exists()


async def test_a_refused_journal_is_stored_without_a_restart_once_the_database_accepts_it(
    direct: Database, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = ExponentialBackoff(first_s=0.01, longest_s=0.01)
    monkeypatch.setattr(journal_search, "_SEARCH", soon)
    monkeypatch.setattr(journal_backlog, "REFUSED", soon)
    monkeypatch.setattr(journal_backlog, "_LEFT_S", 0.0)
    settings = settings_in(tmp_path, empty_database_url)
    books = JournalCollector(settings)
    await books.open()
    books.ship_leftovers()
    refuse = "ALTER TABLE job_records ADD CONSTRAINT refused CHECK (false)"
    await direct.run("refuse", lambda c: c.execute(refuse))
    leave_journal(settings, "AJ_1")
    redispatched: asyncio.Queue[str] = asyncio.Queue()
    books.ship("AJ_1", exit_code=-9, then=redispatched.put)
    assert await redispatched.get() == "AJ_1"
    assert books.waiting[0] == 1

    accept = "ALTER TABLE job_records DROP CONSTRAINT refused"
    await direct.run("accept", lambda c: c.execute(accept))
    await shipped(direct, "AJ_1")
    await books.aclose()
    job = await get_job(direct, "AJ_1")
    assert job is not None
    assert (job.exit_code, job.signal) == (-9, 9)
    assert books.waiting == (0, 0)
