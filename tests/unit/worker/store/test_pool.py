"""The slots of the connection pool: freed whatever happens to a connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from worker.store.pool import Connections, PoolLimits


class HangingPool:
    """A pool that takes a connection back only once `taken_back` is set."""

    def __init__(self) -> None:
        self.taken_back = asyncio.Event()

    def is_closing(self) -> bool:
        return False

    async def acquire(self) -> Any:
        return self

    async def release(self, _: Any, *, timeout: float) -> None:  # noqa: ASYNC109  # asyncpg's name
        await self.taken_back.wait()


@pytest.mark.looptime
async def test_a_slot_of_the_pool_is_freed_when_releasing_its_connection_is_cancelled() -> None:
    pool = HangingPool()
    connections = Connections(pool, None, PoolLimits(size=1, overflow=0, acquire_timeout_s=1.0))
    held = await connections._enter()
    giving_back = asyncio.create_task(connections._give_back(held, pool, None))
    await asyncio.sleep(0)

    giving_back.cancel()
    await asyncio.wait({giving_back})

    assert await connections._enter() is pool
