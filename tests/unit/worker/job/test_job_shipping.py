"""The runner ingests the journal of every application that has a database, while the job runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from states import Outcome
from tests.support.virtual.async_steps import after
from tests.support.virtual.job_parts import Rig, TinyApplication, rig
from tests.support.virtual.resource_parts import resource
from worker.journal.shipper import stop_shipping
from worker.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from worker.job.handle import JobHandle

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("stopped")]


class CountingDatabase(Database):
    """A database that counts the shipments."""

    def __init__(self) -> None:
        self.shipments = 0

    async def run(self, *_: Any, **__: Any) -> Any:
        self.shipments += 1
        return 1


@pytest.fixture
async def stopped() -> AsyncIterator[None]:
    yield
    await stop_shipping()


def job_with(folder: Path, database: object, *, after_s: float = 0.0) -> tuple[Rig, list[Any]]:
    """Return a job of 10 s with this value as `database`, and a list of shippers while it runs."""
    shippers: list[Any] = []

    async def run(job: JobHandle) -> None:
        for _ in range(10):
            await asyncio.sleep(1)
            shippers.append(job.shipper)

    declared = [resource("database", load=after(after_s, database), budget_s=1.0)]
    return rig(folder, TinyApplication(declared=declared, on_run=run)), shippers


async def test_the_journal_of_any_application_is_ingested_while_the_job_runs(
    tmp_path: Path,
) -> None:
    database = CountingDatabase()
    job, shippers = job_with(tmp_path, database)
    assert await job.live() is Outcome.COMPLETED
    assert None not in shippers
    assert len(set(shippers)) == 1
    assert job.job.recorder.acknowledged == shippers[0].acknowledged
    assert database.shipments > 0


async def test_a_database_that_loads_late_is_used_from_then_on(tmp_path: Path) -> None:
    database = CountingDatabase()
    job, shippers = job_with(tmp_path, database, after_s=4.0)
    await job.live()
    assert shippers[0] is None
    assert shippers[-1] is not None
    assert database.shipments > 0


async def test_without_a_database_nothing_is_ingested(tmp_path: Path) -> None:
    """Nor into a resource of an application that happens to have the same name."""
    job, shippers = job_with(tmp_path, object())
    await job.live()
    assert set(shippers) == {None}
    assert job.job.recorder.acknowledged is None
