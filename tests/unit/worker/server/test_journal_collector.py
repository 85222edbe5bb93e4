"""The journals that a running worker comes back to, without a database."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import FileJournal
from states.journal import JournalLocked
from tests.support.virtual.job_parts import settings_in
from worker.aio.backoff import ExponentialBackoff
from worker.journal.folder import journals_in
from worker.journal.owner import owner_fields
from worker.journal.recovery import SHIPPED, Ingestion, _put_away, close_journal
from worker.server import journal_backlog, journal_ingestion, journal_search
from worker.server.journal_collector import JournalCollector
from worker.store.errors import DatabaseOperationFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from worker.config.settings import Settings
    from worker.journal.folder import JournalFile
    from worker.store.database import Database

REFUSED = DatabaseOperationFailed("ship", OSError())
SOON = ExponentialBackoff(first_s=0.001, longest_s=0.001)


class FakeDatabase:
    """A database that is available."""

    async def ping(self, *, budget_s: float) -> None:
        """Answer."""

    async def aclose(self) -> None:
        """Do nothing."""


class Store:
    """Takes the place of `ingest_journal`, and keeps how each journal has ended."""

    def __init__(self) -> None:
        #: Errors to raise, by job id, first to last. Then the journal is stored.
        self.errors: dict[str, list[Exception]] = {}
        self.tried: list[str] = []
        self.attempts: asyncio.Queue[str] = asyncio.Queue()
        self.stored: asyncio.Queue[tuple[str, int | None]] = asyncio.Queue()

    async def ingest(self, _: Database, path: Path, *, exit_code: Any, signal: Any) -> Ingestion:
        self.tried.append(path.stem)
        self.attempts.put_nowait(path.stem)
        if errors := self.errors.get(path.stem):
            raise errors.pop(0)
        try:
            close_journal(path, exit_code=exit_code, signal=signal)
        except JournalLocked:
            return Ingestion.RUNNING
        _put_away(path, SHIPPED)
        self.stored.put_nowait((path.stem, exit_code))
        return Ingestion.STORED


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(journal_ingestion, "ingest_journal", store.ingest)
    monkeypatch.setattr(journal_ingestion, "_RETRY", SOON)
    monkeypatch.setattr(journal_search, "_SEARCH", SOON)
    return store


@pytest.fixture
async def books(settings: Settings, store: Store) -> AsyncIterator[JournalCollector]:
    books = JournalCollector(settings)
    books._database = cast("Database", FakeDatabase())
    books._ready.set()
    yield books
    await books.aclose()


def journal_of(settings: Settings, job_id: str, *, age_s: float = 0.0, **owner: str) -> Path:
    """Write the journal of a job whose process is gone."""
    path = settings.journal_dir / f"{job_id}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"v": 1, "seq": 0, "at": "2026-11-02T10:00:00Z", "t": 0.0, "kind": "job"}
    path.write_text(json.dumps(header | {"job_id": job_id} | (owner or owner_fields())) + "\n")
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


async def test_a_refused_journal_is_tried_again_while_the_worker_runs(
    settings: Settings, store: Store, books: JournalCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_backlog, "_LEFT_S", 0.0)
    monkeypatch.setattr(journal_backlog, "REFUSED", SOON)
    books.ship_leftovers()
    store.errors["AJ_1"] = [REFUSED, REFUSED]
    journal_of(settings, "AJ_1")
    redispatched: asyncio.Queue[str] = asyncio.Queue()
    books.ship("AJ_1", exit_code=-9, then=redispatched.put)
    # The candidate does not wait for a journal that the database refuses.
    assert await redispatched.get() == "AJ_1"
    assert await store.stored.get() == ("AJ_1", -9)
    assert store.tried == ["AJ_1"] * 3
    assert redispatched.empty()


async def test_a_job_that_outlived_its_main_process_is_stored_once_it_has_ended(
    settings: Settings, store: Store, books: JournalCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_backlog, "_LEFT_S", 0.0)
    monkeypatch.setattr(journal_backlog, "REFUSED", SOON)
    orphan = FileJournal(journal_of(settings, "AJ_1"))
    journal_of(settings, "AJ_2")
    books.ship_leftovers()
    assert await store.stored.get() == ("AJ_2", None)
    while store.tried.count("AJ_1") < 2:
        await store.attempts.get()
    assert books.waiting == (0, 0)
    orphan.close()
    assert await store.stored.get() == ("AJ_1", None)


async def test_an_unreported_journal_is_stored_and_a_young_one_left_to_its_worker(
    settings: Settings, store: Store, books: JournalCollector
) -> None:
    journal_of(settings, "AJ_first")
    books.ship_leftovers()
    assert await store.stored.get() == ("AJ_first", None)
    journal_of(settings, "AJ_young")
    journal_of(settings, "AJ_old", age_s=3600)
    assert await store.stored.get() == ("AJ_old", None)
    assert "AJ_young" not in store.tried


async def test_the_journal_of_a_job_on_another_host_is_not_taken_for_a_leftover(
    settings: Settings, store: Store, books: JournalCollector
) -> None:
    elsewhere = journal_of(settings, "AJ_1", age_s=3600, host="another", boot_id="another")
    before = elsewhere.read_bytes()
    journal_of(settings, "AJ_2")
    books.ship_leftovers()
    assert await store.stored.get() == ("AJ_2", None)
    await books.aclose()
    assert store.tried == ["AJ_2"]
    assert elsewhere.read_bytes() == before
    assert books.waiting == (0, 0)


async def test_one_unexpected_error_stops_neither_the_other_journals_nor_the_next_search(
    settings: Settings,
    store: Store,
    books: JournalCollector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(journal_backlog, "_LEFT_S", 0.0)
    monkeypatch.setattr(journal_backlog, "REFUSED", SOON)
    for job_id in ("AJ_1", "AJ_2"):
        journal_of(settings, job_id)
    store.errors["AJ_1"] = [TypeError("t is null")]
    books.ship_leftovers()
    stored = {await store.stored.get(), await store.stored.get()}
    assert stored == {("AJ_1", None), ("AJ_2", None)}
    assert "ingesting a journal of an earlier worker failed" in caplog.text


async def test_an_error_of_a_redispatch_is_logged(
    settings: Settings, books: JournalCollector, caplog: pytest.LogCaptureFixture
) -> None:
    asked = asyncio.Event()

    async def fail(_: str) -> None:
        asked.set()
        raise ZeroDivisionError

    journal_of(settings, "AJ_1")
    books.ship("AJ_1", exit_code=0, then=fail)
    await asked.wait()
    await books.aclose()
    (line,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert vars(line)["event"] == "ended_job_redispatch_failed"
    assert line.exc_info is not None


async def test_without_a_journal_on_the_disk_a_redispatch_is_not_delayed(
    books: JournalCollector, store: Store
) -> None:
    redispatched: asyncio.Queue[str] = asyncio.Queue()
    books._ready.clear()  # the database is unavailable
    books.ship("AJ_1", exit_code=-9, then=redispatched.put)
    assert await redispatched.get() == "AJ_1"
    assert store.tried == []


async def test_a_search_that_fails_is_logged_and_repeated(
    settings: Settings,
    store: Store,
    books: JournalCollector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    searched = 0

    def unreadable_once(folder: Path) -> Iterator[JournalFile]:
        nonlocal searched
        searched += 1
        if searched == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return journals_in(folder)

    monkeypatch.setattr(journal_search, "journals_in", unreadable_once)
    journal_of(settings, "AJ_1", age_s=3600)
    books.ship_leftovers()
    assert await store.stored.get() == ("AJ_1", None)
    assert "searching for journals of ended jobs failed" in caplog.text
