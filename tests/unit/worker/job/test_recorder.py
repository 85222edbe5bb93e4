"""The commit of a turn: written to disk, and in the database or 200 ms passed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import Conditions, MemoryJournal
from worker.job.recorder import ACKNOWLEDGED_WITHIN_S, JobRecorder
from worker.journal import shipper
from worker.journal.shipper import ship_live, stop_shipping
from worker.store.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from states import Lifecycle
    from worker.store.database import Database

pytestmark = pytest.mark.looptime


class SlowDatabase:
    """A database that takes `takes_s` for each shipment, or is unavailable."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        self.away = False
        self.shipments: list[float] = []

    async def fetch(
        self, name: str, *_: object, budget_s: float = 5.0, often: bool = False
    ) -> list[dict[str, Any]]:
        await asyncio.sleep(self.takes_s)
        if self.away:
            raise DatabaseUnavailable(name, OSError(), "postgresql://database")
        self.shipments.append(asyncio.get_running_loop().time())
        return [{"written": 1, "stored": True}]


class Keeping:
    """A job that stores turns and measures the time of each commit."""

    def __init__(self) -> None:
        self.database = SlowDatabase()
        self.journal = MemoryJournal()
        self.journal.append("job", 0.0, job_id="AJ_1")
        life = SimpleNamespace(
            journal=self.journal, t=1.0, conditions=Conditions(), post=lambda *_: None
        )
        self.life = cast("Lifecycle", life)
        self.recorder = JobRecorder(self.life)
        self.shipper = ship_live(self.life, cast("Database", self.database))
        self.recorder.acknowledged = self.shipper.acknowledged

    async def turn_takes(self) -> float:
        began = asyncio.get_running_loop().time()
        await self.recorder.turn(speaker="candidate", text="hello")
        return asyncio.get_running_loop().time() - began


@pytest.fixture
async def stopped() -> AsyncIterator[None]:
    yield
    await stop_shipping()


@pytest.mark.row("B10")
@pytest.mark.usefixtures("stopped")
async def test_a_turn_waits_only_until_the_database_has_it() -> None:
    keeping = Keeping()
    await asyncio.sleep(1)
    keeping.database.takes_s = 0.03
    assert await keeping.turn_takes() == pytest.approx(0.03, abs=0.01)


@pytest.mark.usefixtures("stopped")
async def test_the_wait_of_a_turn_for_a_slow_database_is_bounded() -> None:
    keeping = Keeping()
    await asyncio.sleep(1)
    keeping.database.takes_s = 3.0
    assert await keeping.turn_takes() == pytest.approx(ACKNOWLEDGED_WITHIN_S)
    await asyncio.sleep(4)
    assert await keeping.shipper.acknowledged(1, within_s=0.0)


@pytest.mark.usefixtures("stopped")
async def test_a_turn_does_not_wait_for_a_database_known_to_be_unavailable() -> None:
    keeping = Keeping()
    keeping.database.away = True
    await asyncio.sleep(1)
    assert await keeping.turn_takes() < 0.01

    keeping.database.away = False
    await asyncio.sleep(10)
    assert await keeping.shipper.acknowledged(1, within_s=0.0), "shipped when it was back"


@pytest.mark.usefixtures("stopped")
async def test_a_turn_stops_waiting_when_the_database_becomes_unavailable() -> None:
    keeping = Keeping()
    await asyncio.sleep(1)
    keeping.database.takes_s, keeping.database.away = 0.05, True
    assert await keeping.turn_takes() == pytest.approx(0.05, abs=0.01)


@pytest.mark.usefixtures("stopped")
async def test_a_burst_of_records_is_ingested_in_one_batch() -> None:
    keeping = Keeping()
    await asyncio.sleep(1)
    before = len(keeping.database.shipments)
    for n in range(20):
        keeping.journal.append("step", float(n), name="x", ok=True)
        await asyncio.sleep(0.001)
    await asyncio.sleep(1)
    assert len(keeping.database.shipments) - before == 1
    assert shipper._BATCH_S > 0


async def test_without_a_database_a_turn_is_only_journalled() -> None:
    journal = MemoryJournal()
    book = JobRecorder(cast("Lifecycle", SimpleNamespace(journal=journal, t=1.0)))
    await book.turn(speaker="candidate", text="hello")
    assert [record["kind"] for record in journal.records] == ["turn"]


def test_refused_typed_messages_are_recorded_by_their_number_alone() -> None:
    journal = MemoryJournal()
    book = JobRecorder(cast("Lifecycle", SimpleNamespace(journal=journal, t=1.0)))
    book.typed_refused(7)
    (record,) = journal.records
    assert {name: record[name] for name in ("kind", "where", "error", "messages")} == {
        "kind": "fault",
        "where": "typed",
        "error": "TooManyMessages",
        "messages": 7,
    }
