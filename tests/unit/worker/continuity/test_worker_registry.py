"""One worker's heartbeat to the other workers, on virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.virtual.async_steps import end
from worker.continuity.worker_registry import WorkerRegistry
from worker.store.errors import DatabaseOperationFailed

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_together_with_a_change_still_ends_the_heartbeat(turns: int) -> None:
    presence = WorkerRegistry(
        lambda: None, worker_id="a", agent_name="interviewer", seats=lambda: 1
    )
    running = asyncio.create_task(presence.run())
    await asyncio.sleep(0.5)
    presence.changed()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=60)
    await end(running)  # end the task even if the test fails
    assert done
    assert running.cancelled()


async def test_a_heartbeat_that_the_database_refuses_is_one_warning_until_it_is_written_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Database:
        """A database that accepts only the 3rd and the 6th heartbeat."""

        written = 0

        async def run(self, operation: str, *_: object, **__: object) -> None:
            self.written += 1
            if self.written not in (3, 6):
                raise DatabaseOperationFailed(operation, PermissionError())

    database: Any = Database()
    presence = WorkerRegistry(
        lambda: database, worker_id="a", agent_name="interviewer", seats=lambda: 1
    )
    running = asyncio.create_task(presence.run())
    await asyncio.sleep(7.5)
    await end(running)
    assert database.written == 8
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [vars(record)["event"] for record in warnings] == ["worker_heartbeat_refused"] * 3
