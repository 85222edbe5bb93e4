"""One worker's heartbeat to the other workers, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual.async_steps import end
from worker.continuity.worker_registry import WorkerRegistry

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
