"""Connections that are opened in the background: an opening outlives its operation."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any

import pytest

from worker.store.errors import ConnectionLost
from worker.store.openings import Openings
from worker.store.pool import Connections, PoolLimits, Tier

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime

LIMITS = PoolLimits(size=2, overflow=1, connect_timeout_s=5.0, overflow_idle_s=10.0)


class Opened:
    """A connection that answers every statement."""

    def __init__(self) -> None:
        self.released_at = math.inf
        self.terminated = False

    async def prepare(self, *_: object, **__: object) -> Opened:
        return self

    async def fetch(self, *_: object) -> list[str]:
        return ["row"]

    def is_closed(self) -> bool:
        return self.terminated

    def terminate(self) -> None:
        self.terminated = True


class Server:
    """A server whose connections take `takes_s` seconds to open, or raise `error` instead."""

    def __init__(self, takes_s: float = 0.0, error: Exception | None = None) -> None:
        self.takes_s = takes_s
        self.error = error
        #: Loop time at which each opening began.
        self.began: list[float] = []
        self.opened: list[Opened] = []
        self.cancelled = 0

    async def connect(self, *_: object, **__: object) -> Opened:
        self.began.append(asyncio.get_running_loop().time())
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        self.opened.append(Opened())
        return self.opened[-1]


def openings_of(
    server: Server, limits: PoolLimits = LIMITS, connected: Callable[[], int] = lambda: 0
) -> tuple[Openings, Callable[[], Any]]:
    openings = Openings(limits, connected)
    return openings, openings.through(server.connect)


def now() -> float:
    return asyncio.get_running_loop().time()


async def within(budget_s: float, connect: Callable[[], Any]) -> Any:
    """Return the connection, or None after `budget_s` seconds."""
    try:
        async with asyncio.timeout(budget_s):
            return await connect()
    except TimeoutError:
        return None


# --- an opening outlives its operation ------------------------------------------------------------


async def test_the_next_operation_uses_the_connection_whose_opening_outlived_the_last_one() -> None:
    server = Server(takes_s=1.3)
    _, connect = openings_of(server)
    assert await within(0.8, connect) is None
    assert await within(0.8, connect) is server.opened[0]
    assert now() == pytest.approx(1.3)
    assert (len(server.began), server.cancelled) == (1, 0)


async def test_a_connection_that_opens_between_two_operations_is_ready_for_the_next_one() -> None:
    server = Server(takes_s=1.3)
    openings, connect = openings_of(server)
    assert await within(1.0, connect) is None
    await asyncio.sleep(1.0)
    assert openings.ready == 1
    assert await within(0.0, connect) is server.opened[0]
    assert openings.ready == 0


async def test_a_connection_that_waited_is_verified_at_its_first_use() -> None:
    server = Server(takes_s=1.3)
    _, connect = openings_of(server)
    await within(1.0, connect)
    await asyncio.sleep(2.0)
    assert (await connect()).released_at == pytest.approx(1.3)


async def test_a_connection_that_nobody_uses_is_closed_after_the_idle_time() -> None:
    server = Server(takes_s=1.0)
    openings, connect = openings_of(server)
    await within(0.5, connect)
    await asyncio.sleep(11.0)
    assert openings.ready == 0
    assert server.opened[0].terminated
    assert await connect() is not server.opened[0]


async def test_a_connection_that_broke_while_it_waited_is_not_used() -> None:
    server = Server(takes_s=1.0)
    _, connect = openings_of(server)
    await within(0.5, connect)
    await asyncio.sleep(1.0)
    server.opened[0].terminate()
    assert await connect() is server.opened[1]


async def test_an_opening_has_a_time_limit_of_its_own() -> None:
    server = Server(takes_s=math.inf)
    _, connect = openings_of(server)
    began = now()
    with pytest.raises(TimeoutError):
        await connect()
    assert now() - began == pytest.approx(LIMITS.connect_timeout_s)


# --- the number of openings -----------------------------------------------------------------------


async def test_each_waiting_operation_has_one_opening() -> None:
    server = Server(takes_s=0.5)
    _, connect = openings_of(server)
    await asyncio.gather(connect(), connect(), connect())
    assert len(server.began) == 3


async def test_many_operations_in_a_row_begin_one_opening() -> None:
    server = Server(takes_s=0.85)
    _, connect = openings_of(server)
    while await within(0.1, connect) is None:
        pass
    assert len(server.began) == 1


async def test_an_opening_that_is_overdue_gets_another_one_beside_it() -> None:
    """The first may hang because its server has gone; a new one may reach the next server."""
    server = Server(takes_s=math.inf)
    _, connect = openings_of(server)
    assert await within(1.5, connect) is None
    server.takes_s = 0.1
    assert await within(1.0, connect) is server.opened[0]
    assert now() == pytest.approx(1.6)
    assert server.cancelled == 0


async def test_overdue_openings_take_no_more_places_than_the_pool_has() -> None:
    server = Server(takes_s=math.inf)
    _, connect = openings_of(server, connected=lambda: 1)
    for _ in range(9):
        assert await within(1.6, connect) is None
        assert len(server.began) - server.cancelled <= 2


async def test_an_opening_that_hangs_gives_the_last_place_to_another_one() -> None:
    server = Server(takes_s=math.inf)
    _, connect = openings_of(server, PoolLimits(size=1, overflow=0, connect_timeout_s=30.0))
    assert await within(1.0, connect) is None
    assert await within(1.0, connect) is None
    assert await within(1.0, connect) is None
    server.takes_s = 0.1
    assert await within(1.0, connect) is server.opened[0]
    assert server.cancelled == 1


async def test_a_slow_opening_is_not_cancelled_for_another_one() -> None:
    server = Server(takes_s=2.4)
    _, connect = openings_of(server, PoolLimits(size=1, overflow=0, connect_timeout_s=30.0))
    assert [await within(1.0, connect) for _ in range(3)] == [None, None, server.opened[0]]
    assert server.cancelled == 0


async def test_the_openings_of_a_slow_server_do_not_become_ever_more() -> None:
    server = Server(takes_s=4.0)
    _, connect = openings_of(server, PoolLimits(size=5, overflow=5, connect_timeout_s=5.0))
    while await within(1.0, connect) is None:
        pass
    assert len(server.began) == 3


# --- openings that fail ---------------------------------------------------------------------------


async def test_the_error_of_an_opening_reaches_the_operation_that_waits() -> None:
    error = ConnectionRefusedError()
    _, connect = openings_of(Server(error=error))
    with pytest.raises(ConnectionRefusedError) as caught:
        await connect()
    assert caught.value is error


async def test_the_error_of_an_opening_reaches_no_operation_while_another_opening_is_left() -> None:
    server = Server(takes_s=math.inf)
    _, connect = openings_of(server)
    await within(1.5, connect)
    server.takes_s = 4.0
    assert await connect() is server.opened[0]  # the first opening has timed out after 5 s
    assert now() == pytest.approx(5.5)


async def test_openings_that_fail_are_tried_again_with_longer_delays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.uniform", lambda shortest_s, longest_s: longest_s)
    server = Server(error=ConnectionRefusedError())
    _, connect = openings_of(server)
    for _ in range(7):
        with pytest.raises(ConnectionRefusedError):
            await connect()
    gaps = [later - earlier for earlier, later in zip(server.began, server.began[1:], strict=False)]
    assert gaps == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0])


async def test_openings_that_fail_together_count_as_one_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.uniform", lambda shortest_s, longest_s: longest_s)
    server = Server(takes_s=0.1, error=ConnectionRefusedError())
    _, connect = openings_of(server)
    await asyncio.gather(*(connect() for _ in range(6)), return_exceptions=True)
    server.error = None
    began = now()
    await connect()
    assert now() - began == pytest.approx(0.05 + 0.1)


async def test_a_success_ends_the_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda shortest_s, longest_s: longest_s)
    server = Server(error=ConnectionRefusedError())
    _, connect = openings_of(server)
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            await connect()
    server.error = None
    await connect()
    began = now()
    await connect()
    assert now() == began


async def test_the_error_of_an_opening_for_which_nobody_waits_is_logged_without_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    _, connect = openings_of(Server(takes_s=1.0, error=ValueError("hunter2")))
    await within(0.5, connect)
    await asyncio.sleep(1.0)
    (record,) = caplog.records
    assert record.message == "a database connection could not be opened: ValueError"


# --- the end --------------------------------------------------------------------------------------


async def test_the_end_of_the_pool_ends_its_openings() -> None:
    server = Server(takes_s=1.0)
    openings, connect = openings_of(server)
    waits = asyncio.create_task(within(9.0, connect))
    await asyncio.sleep(0.5)
    await openings.aclose()
    with pytest.raises(ConnectionLost):
        await waits
    with pytest.raises(ConnectionLost):
        await connect()
    assert (server.cancelled, server.opened) == (1, [])


@pytest.mark.parametrize("end", ["expire", "aclose"])
async def test_connections_that_nobody_uses_are_closed_with_the_other_ones(end: str) -> None:
    server = Server(takes_s=1.0)
    openings, connect = openings_of(server)
    await within(0.5, connect)
    await asyncio.sleep(1.0)
    if end == "expire":
        openings.expire()
    else:
        await openings.aclose()
    assert openings.ready == 0
    assert server.opened[0].terminated


# --- in a pool ------------------------------------------------------------------------------------


class OnePool:
    """A pool of asyncpg with one place, whose connection is opened at its first use."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._idle: list[Opened] = []

    def is_closing(self) -> bool:
        return False

    async def acquire(self) -> Opened:
        return self._idle.pop() if self._idle else await self._connect()

    async def release(self, connection: Opened, **_: object) -> None:
        self._idle.append(connection)


async def test_operations_with_too_little_time_for_an_opening_succeed_in_the_end() -> None:
    """A fleet whose connections take 2.5 s to open recovers, with 1 s for each renewal."""
    server = Server(takes_s=2.5)
    openings, connect = openings_of(server)
    connections = Connections([Tier(OnePool(connect), 1)], LIMITS, openings)

    async def renew() -> list[Any]:
        return await connections.fetch("SELECT 1", ())

    renewals = [await within(1.0, renew) for _ in range(4)]
    assert renewals == [None, None, ["row"], ["row"]]
    assert now() == pytest.approx(2.5)
