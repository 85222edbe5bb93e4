"""Ingestion of journals into a real PostgreSQL."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from states import Event, Lifecycle, MemoryJournal
from worker.aio.backoff import ExponentialBackoff
from worker.journal import shipper as shipper_module
from worker.journal.shipper import ship_live, stop_shipping
from worker.store.errors import DatabaseUnavailable
from worker.store.jobs import get_job, records_of
from worker.store.jobs import ship as store_ship

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.store.connection import Connection
    from worker.store.database import Database

HEADER = {"job_id": "AJ_1", "interview_id": None, "room": "room-1", "worker_id": "AW_1", "pid": 7}
AWAY = DatabaseUnavailable("ship", OSError(), "postgresql://…")


async def execute(statement: str, connection: Connection) -> None:
    await connection.execute(statement)


class Ship:
    """The store's `ship` with injectable failures, whose calls a test can await."""

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
        """Return once `records` more records have arrived."""
        while records > 0:
            records -= await self.calls.get()


@pytest.fixture
async def ship(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ship]:
    ship = Ship()
    monkeypatch.setattr(shipper_module, "ship", ship)
    monkeypatch.setattr(shipper_module, "_BATCH_S", 0.0)
    monkeypatch.setattr(shipper_module, "_RETRY", ExponentialBackoff(first_s=0.0, longest_s=0.0))
    yield ship
    await stop_shipping()


@pytest.fixture
async def life() -> AsyncIterator[Lifecycle]:
    async with Lifecycle(journal=MemoryJournal(), header=HEADER) as life:
        yield life


def records_in(life: Lifecycle) -> list[dict[str, Any]]:
    assert isinstance(life.journal, MemoryJournal)
    return life.journal.records


# --- while the job runs -------------------------------------------------------------------------


async def test_records_written_before_and_after_the_start_are_shipped(
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


@pytest.mark.row("B10")
async def test_records_wait_for_an_unavailable_database(
    ship: Ship, life: Lifecycle, database: Database
) -> None:
    ship.failures = [AWAY] * 5
    ship_live(life, database)
    await life.fire(Event.ROOM_CONNECTED)
    await ship.shipped(len(records_in(life)))
    assert ship.failures == []
    assert await records_of(database, "AJ_1") == records_in(life)


async def test_a_database_restored_from_a_backup_gets_everything_again(
    ship: Ship, life: Lifecycle, database: Database
) -> None:
    shipper = ship_live(life, database)
    await life.fire(Event.ROOM_CONNECTED)
    await ship.shipped(len(records_in(life)))
    for table in ("job_records", "jobs"):
        await database.run("forget", partial(execute, f"DELETE FROM {table}"))  # noqa: S608
    shipper.ship_again()
    await ship.shipped(len(records_in(life)))
    assert await records_of(database, "AJ_1") == records_in(life)
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert (job.room, job.state) == ("room-1", "CONNECTED")


async def test_stopped_shipping_leaves_no_task_and_accepts_no_records(
    ship: Ship, life: Lifecycle, database: Database
) -> None:
    ship_live(life, database)
    await ship.shipped(len(records_in(life)))
    await stop_shipping()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "shipper"]
    before = len(records_in(life))
    await life.fire(Event.ROOM_CONNECTED)
    assert len(await records_of(database, "AJ_1")) == before


async def test_stopping_without_shipping_does_nothing() -> None:
    await stop_shipping()
