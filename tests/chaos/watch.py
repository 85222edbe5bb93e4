"""Measures during a round when the database took writes, and when a slot was free.

Both are measured from outside, so that a worker that is wrong about them excuses nothing:

Writes  Twice a second a new connection, by the workers' own address, commits a write. A standby
        accepts connections, but no write.
Slots   Twice a second the living processes of jobs are counted, by the journals of each machine. A
        slot is free if a worker that takes interviews has fewer of them than slots. A worker takes
        interviews from its registration with LiveKit to the fault that ends it, except while it is
        stopped or its disk is full. The workers' own table `workers` is not read.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg

from tests.chaos.spans import Lapses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.chaos.world import World

#: Seconds between two observations; between two after a failed write.
_EVERY_S: Final = 0.5
_AGAIN_S: Final = 0.1
#: Seconds in which a new connection must have committed a write. At a round trip of 60 ms this
#: takes half a second.
_WITHIN_S: Final = 2.0

#: The run's own table, which no worker knows.
_TABLE: Final = (
    "CREATE SCHEMA chaos; CREATE TABLE chaos.writes (at timestamptz NOT NULL);"
    " INSERT INTO chaos.writes VALUES (clock_timestamp())"
)
_WRITE: Final = "UPDATE chaos.writes SET at = clock_timestamp()"

#: Errors of asyncpg when a server is unavailable, refuses, or dies during a call.
CONNECTION_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class Watch:
    """The observations of one round."""

    def __init__(self, world: World) -> None:
        self._world = world
        #: When the database took no writes.
        self.unwritable = Lapses()
        #: When no worker that takes interviews had a free slot.
        self.no_slot = Lapses()

    async def write(self) -> None:
        """Write to the database again and again."""
        while True:
            start_s = time.time()
            available = await takes_a_write(self._world.database_url)
            self.unwritable.observe(available=available, start_s=start_s, end_s=time.time())
            await asyncio.sleep(_EVERY_S if available else _AGAIN_S)

    async def count(self) -> None:
        """Count the free slots again and again."""
        while True:
            start_s = time.time()
            # In a thread, because it reads files and candidates are speaking.
            free = await asyncio.to_thread(self._world.free_slots)
            self.no_slot.observe(available=free > 0, start_s=start_s, end_s=time.time())
            await asyncio.sleep(_EVERY_S)


@asynccontextmanager
async def watching(world: World) -> AsyncIterator[Watch]:
    """Observe a world while the block runs; raise the error of a broken observation at the end."""
    watch = Watch(world)
    tasks = [
        asyncio.create_task(watch.write(), name="write"),
        asyncio.create_task(watch.count(), name="count"),
    ]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def create_table(url: str) -> None:
    """Create the run's own table."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLE)
    finally:
        await connection.close()


async def takes_a_write(url: str) -> bool:
    """Return whether a new connection commits a write to the run's table within 2 s."""
    connection: asyncpg.Connection | None = None
    try:
        async with asyncio.timeout(_WITHIN_S):
            connection = await asyncpg.connect(url, ssl=False)
            await connection.execute(_WRITE)
    except CONNECTION_ERRORS:
        return False
    finally:
        if connection is not None:
            connection.terminate()
    return True
