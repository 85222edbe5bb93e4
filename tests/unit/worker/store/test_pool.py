"""The slots of the connection pool: freed whatever happens to a connection."""

from __future__ import annotations

import asyncio
import ssl
import traceback
from typing import Any

import asyncpg
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


class FailingPool:
    """A pool whose connections cannot be opened."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def is_closing(self) -> bool:
        return False

    async def acquire(self) -> Any:
        raise self._error


async def failed(error: Exception, expected: type[Exception]) -> Exception:
    """Return the error of a transaction. Its slot must be free for the next transaction."""
    limits = PoolLimits(size=1, overflow=0, acquire_timeout_s=1.0)
    connections = Connections(FailingPool(error), None, limits)
    for _ in range(2):
        with pytest.raises(expected) as caught:
            await connections.transaction().__aenter__()
    return caught.value


@pytest.mark.looptime
@pytest.mark.parametrize("kind", [ValueError, IndexError, KeyError])
async def test_an_error_that_may_quote_the_password_becomes_one_that_does_not(
    kind: type[Exception],
) -> None:
    error = await failed(kind("hunter2"), asyncpg.ClientConfigurationError)
    assert "hunter2" not in "".join(traceback.format_exception(error))


@pytest.mark.looptime
async def test_an_invalid_certificate_stays_an_error_of_the_network() -> None:
    error = ssl.SSLCertVerificationError(1, "expired")
    assert await failed(error, OSError) is error
