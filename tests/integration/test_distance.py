"""The proxy process that adds a round trip, in front of a real PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from benchmarks.child import ChildFailed
from benchmarks.distance import Distance, read_address, written
from tests.support.wire import address_of

NEAR_MS, FAR_MS = 2, 60


@pytest.fixture
async def distance(postgres_url: str) -> AsyncIterator[Distance]:
    async with Distance(postgres_url, {"near": NEAR_MS, "far": FAR_MS}) as distance:
        yield distance


@asynccontextmanager
async def database_connection(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        yield connection
    finally:
        connection.terminate()  # a connection that has vanished cannot be closed in order


async def shortest_ms(connection: Any) -> float:
    """Return the shortest of ten round trips in milliseconds."""
    took = []
    for _ in range(10):
        began = time.perf_counter()
        await connection.execute("SELECT 1")
        took.append(time.perf_counter() - began)
    return 1000 * min(took)


async def backends(url: str, name: str) -> int:
    async with database_connection(url) as connection:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", name
            )
        )


async def test_each_zone_has_its_own_round_trip(distance: Distance) -> None:
    async with (
        database_connection(distance.url("near")) as near,
        database_connection(distance.url("far")) as far,
    ):
        near_ms, far_ms = await shortest_ms(near), await shortest_ms(far)
    assert near_ms >= NEAR_MS
    assert far_ms >= FAR_MS
    assert near_ms < far_ms


async def test_many_connections_share_one_delay(distance: Distance) -> None:
    async def ask() -> None:
        async with database_connection(distance.url("far")) as connection:
            await connection.execute("SELECT 1")

    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(20)))
    # One after the other, 20 connections of at least three round trips each would take 3.6 s.
    assert time.perf_counter() - began < 3.6
    used = await distance.use()
    assert used["cpu_s"] > 0


async def test_a_zone_vanishes_without_closing_a_connection_and_the_other_stays(
    distance: Distance, postgres_url: str
) -> None:
    url = distance.url("far")
    lost = await asyncpg.connect(url, server_settings={"application_name": "lost"})
    try:
        async with database_connection(distance.url("near")) as near:
            await distance.vanish("far")
            with pytest.raises(TimeoutError):
                await lost.execute("SELECT 1", timeout=0.3)
            assert await near.fetchval("SELECT 1") == 1
            assert await backends(postgres_url, "lost") == 1
            with pytest.raises(TimeoutError):
                await asyncpg.connect(url, timeout=0.3)
    finally:
        lost.terminate()


async def test_a_zone_can_vanish_while_a_transaction_holds_a_lock(
    distance: Distance, postgres_url: str
) -> None:
    lost = await asyncpg.connect(
        distance.url("far"), server_settings={"application_name": "in_transaction"}
    )
    try:
        await distance.vanish("far", within_chunks=1)
        with pytest.raises(TimeoutError):
            await lost.execute("BEGIN; SELECT pg_advisory_xact_lock(4711)", timeout=0.5)
        async with database_connection(postgres_url) as other:
            assert await other.fetchval("SELECT pg_try_advisory_xact_lock(4711)") is False
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'in_transaction'"
            )
    finally:
        lost.terminate()


async def test_a_request_that_fails_names_its_error(distance: Distance) -> None:
    with pytest.raises(ChildFailed, match="KeyError"):
        await distance.vanish("nowhere")


def test_an_address_can_be_written_and_read(postgres_url: str) -> None:
    for address in (address_of(postgres_url), ("db.example", 6432)):
        assert read_address(written(address)) == address
