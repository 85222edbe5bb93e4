"""Journals on their way into a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from states import Event, FileJournal, Lifecycle, MemoryJournal
from states.journal import read_records
from worker import shipping
from worker.shipping import close_book, ship_book, ship_live, stop_shipping
from worker.store.errors import DatabaseUnavailable
from worker.store.jobs import get_job, records_of
from worker.store.jobs import ship as store_ship

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from worker.store.pool import Database

HEADER = {"job_id": "AJ_1", "interview_id": None, "room": "room-1", "worker_id": "AW_1", "pid": 7}
AWAY = DatabaseUnavailable("ship", OSError(), "postgresql://…")


class Ship:
    """The store's `ship`, which a test may send away for a while and whose calls it can await."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.calls: asyncio.Queue[int] = asyncio.Queue()
        self._ship = store_ship

    async def __call__(self, database: Database, header: Any, records: Any) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        shipped = await self._ship(database, header, records)
        self.calls.put_nowait(len(records))
        return shipped

    async def shipped(self, records: int) -> None:
        """Return once so many more records have arrived."""
        while records > 0:
            records -= await self.calls.get()


@pytest.fixture
async def ship(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ship]:
    ship = Ship()
    monkeypatch.setattr(shipping, "ship", ship)
    for pause in ("_BATCH_S", "_FIRST_DELAY_S", "_LONGEST_DELAY_S"):
        monkeypatch.setattr(shipping, pause, 0.0)
    yield ship
    await stop_shipping()


@pytest.fixture
async def life() -> AsyncIterator[Lifecycle]:
    async with Lifecycle(journal=MemoryJournal(), header=HEADER) as life:
        yield life


def records_in(life: Lifecycle) -> list[dict[str, Any]]:
    assert isinstance(life.journal, MemoryJournal)
    return life.journal.records


def written(path: Path, *, header: dict[str, Any] = HEADER) -> Path:
    """The journal of a job whose process is gone."""
    journal = FileJournal(path)
    journal.append("job", 0.0, **header, budgets={})
    journal.append("transition", 0.0, **{"from": None, "event": None, "to": "HANDSHAKE"})
    journal.append("fault", 2.5, where="here", error="ValueError")
    journal.close()
    return path


# --- while the job lives ------------------------------------------------------------------------


async def test_what_was_written_before_and_what_comes_after_is_shipped(
    ship: Ship, life: Lifecycle, database: Database
) -> None:
    ship_live(life, database)
    await ship.shipped(len(records_in(life)))
    await life.fire(Event.ROOM_CONNECTED)
    await ship.shipped(1)
    assert await records_of(database, "AJ_1") == records_in(life)
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert (job.room, job.worker_id, job.state) == ("room-1", "AW_1", "CONNECTED")


async def test_records_wait_for_a_database_that_is_away(
    ship: Ship, life: Lifecycle, database: Database
) -> None:
    ship.failures = [AWAY] * 5
    ship_live(life, database)
    await life.fire(Event.ROOM_CONNECTED)
    await ship.shipped(len(records_in(life)))
    assert ship.failures == []
    assert await records_of(database, "AJ_1") == records_in(life)


async def test_shipping_that_is_stopped_leaves_no_task_and_takes_nothing_more(
    ship: Ship, life: Lifecycle, database: Database
) -> None:
    ship_live(life, database)
    await ship.shipped(len(records_in(life)))
    await stop_shipping()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "shipper"]
    before = len(records_in(life))
    await life.fire(Event.ROOM_CONNECTED)
    assert len(await records_of(database, "AJ_1")) == before


async def test_stopping_where_nothing_is_shipped_does_nothing() -> None:
    await stop_shipping()


# --- once its process is gone -------------------------------------------------------------------


async def test_the_journal_of_a_dead_job_is_shipped_with_its_exit_and_put_away(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    assert await ship_book(database, path, exit_code=-9, signal=9)
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert (job.exit_code, job.signal, job.reason) == (-9, 9, "ProcessKilled")
    assert not path.exists()
    kept = read_records(tmp_path / "shipped" / "AJ_1.jsonl").records
    assert kept == await records_of(database, "AJ_1")
    assert kept[-1]["kind"] == "exit"
    assert kept[-1]["t"] == 2.5


async def test_what_the_job_had_shipped_itself_is_not_shipped_twice(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    copy = written(tmp_path / "copy" / "AJ_1.jsonl")
    assert await ship_book(database, path, exit_code=0)
    before = await records_of(database, "AJ_1")
    assert await ship_book(database, copy, exit_code=0)
    assert len(await records_of(database, "AJ_1")) == len(before)


async def test_the_journal_of_a_job_that_lives_is_left_to_it(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    alive = FileJournal(path)
    assert not await ship_book(database, path)
    alive.close()
    assert path.exists()
    assert await get_job(database, "AJ_1") is None


async def test_a_job_that_died_before_its_first_record_is_known_by_its_file(
    tmp_path: Path, database: Database
) -> None:
    path = tmp_path / "AJ_empty.jsonl"
    path.touch()
    assert await ship_book(database, path, exit_code=1)
    job = await get_job(database, "AJ_empty")
    assert job is not None
    assert job.exit_code == 1
    assert await get_job(database, "") is None


async def test_a_torn_last_line_is_cut_off_and_the_rest_is_shipped(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":3,"kind":"tur')
    assert await ship_book(database, path, exit_code=-9, signal=9)
    assert [r["seq"] for r in await records_of(database, "AJ_1")] == [0, 1, 2, 3]
    assert "torn" in caplog.text


async def test_a_journal_that_is_none_stays_where_it_is(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "AJ_1.jsonl"
    path.write_text("this is\nno journal\n")
    assert not await ship_book(database, path)
    assert path.exists()
    assert "cannot be shipped" in caplog.text


async def test_while_the_database_is_away_the_journal_stays_and_its_exit_is_written_once(
    tmp_path: Path, database: Database, ship: Ship
) -> None:
    ship.failures = [AWAY, AWAY]
    path = written(tmp_path / "AJ_1.jsonl")
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await ship_book(database, path, exit_code=1)
    assert path.exists()
    assert await ship_book(database, path, exit_code=1)
    kinds = [record["kind"] for record in await records_of(database, "AJ_1")]
    assert kinds.count("exit") == 1


def test_closing_a_book_twice_writes_one_exit(tmp_path: Path) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    first = close_book(path, exit_code=0, signal=None)
    assert close_book(path, exit_code=1, signal=None) == first
