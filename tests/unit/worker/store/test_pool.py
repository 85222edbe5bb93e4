"""The connection pool: how slots are freed, and how a broken connection is replaced."""

from __future__ import annotations

import asyncio
import math
import ssl
import traceback
from typing import Any

import asyncpg
import pytest

from worker.store.errors import ConnectionLost
from worker.store.openings import Openings
from worker.store.pool import Connections, PoolLimits, Tier, _Held

pytestmark = pytest.mark.looptime

LIMITS = PoolLimits(size=1, overflow=0, acquire_timeout_s=1.0, verify_timeout_s=1.0)


class FakePool:
    """A pool of asyncpg with fake connections, without a server."""

    def __init__(self, *connections: FakeConnection) -> None:
        self._idle = list(connections)
        self.used: list[FakeConnection] = []
        self.expired = 0
        self.released = 0

    def is_closing(self) -> bool:
        return False

    async def acquire(self) -> FakeConnection:
        connection = self._idle.pop(0)
        self.used.append(connection)
        return connection

    async def release(self, _: Any, *, timeout: float) -> None:  # noqa: ASYNC109  # asyncpg's name
        self.released += 1

    async def expire_connections(self) -> None:
        self.expired += 1


class FakeConnection:
    """A connection whose first round trip raises `error`, or never returns if it is `silent`.

    A `new` connection was never released before.
    """

    def __init__(
        self,
        *,
        error: Exception | None = None,
        silent: bool = False,
        new: bool = False,
        later: BaseException | None = None,
    ) -> None:
        self.released_at = math.inf if new else -60.0
        self._error, self._silent, self._later = error, silent, later
        self.executed: list[str] = []
        self.terminated = False

    async def prepare(
        self,
        query: str,
        *,
        name: str,
        timeout: float | None,  # noqa: ASYNC109  # asyncpg's parameter
    ) -> FakeConnection:
        assert name == ""
        await self._first(timeout)
        return self

    async def fetch(self, *_: object) -> list[Any]:
        if self._later is not None:
            raise self._later
        return ["row"]

    async def fetch_again(
        self,
        *_: object,
        timeout: float | None,  # noqa: ASYNC109  # asyncpg's parameter
    ) -> list[Any]:
        await self._first(timeout)
        return ["row"]

    async def execute(self, query: str, *, timeout: float | None = None) -> str:  # noqa: ASYNC109
        self.executed.append(query)
        if query.startswith("BEGIN"):
            await self._first(timeout)
        elif self._silent:
            await self._wait(timeout)
        return query.partition(" ")[0]

    async def _first(self, timeout_s: float | None) -> None:
        if self._silent:
            await self._wait(timeout_s)
        if self._error is not None:
            raise self._error

    async def _wait(self, timeout_s: float | None) -> None:
        async with asyncio.timeout(timeout_s):
            await asyncio.Event().wait()

    def is_closed(self) -> bool:
        return self.terminated

    def terminate(self) -> None:
        self.terminated = True


class ClosedConnection(FakeConnection):
    """A connection that the server has closed."""

    def is_closed(self) -> bool:
        return True


class AbortedConnection(FakeConnection):
    """A connection whose transaction failed before its end."""

    async def execute(self, query: str, *, timeout: float | None = None) -> str:  # noqa: ASYNC109
        await super().execute(query, timeout=timeout)
        return "ROLLBACK"


def connections_of(pool: Any, limits: PoolLimits = LIMITS) -> Connections:
    tiers = [Tier(pool, limits.size + limits.overflow)]
    return Connections(tiers, limits, Openings(limits, lambda: 0))


def lost() -> Exception:
    error: Exception = asyncpg.ConnectionDoesNotExistError("connection was closed")
    return error


async def run(connections: Connections, way: str, verify_s: float = math.inf) -> None:
    """Run one operation, as a single statement or in a transaction."""
    if way == "fetch":
        assert await connections.fetch("SELECT 1", (), verify_s=verify_s) == ["row"]
    else:
        async with connections.transaction(verify_s=verify_s) as connection:
            assert await connection.fetch() == ["row"]


@pytest.fixture(params=["fetch", "transaction"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- slots ----------------------------------------------------------------------------------------


class HangingPool(FakePool):
    """A pool that never takes a connection back."""

    async def release(self, _: Any, *, timeout: float) -> None:  # noqa: ASYNC109  # asyncpg's name
        await asyncio.Event().wait()


async def test_a_slot_of_the_pool_is_freed_when_releasing_its_connection_is_cancelled() -> None:
    connections = connections_of(HangingPool(FakeConnection(), FakeConnection()))
    held = await connections._acquire()
    giving_back = asyncio.create_task(connections._give_back(held))
    await asyncio.sleep(0)

    giving_back.cancel()
    await asyncio.wait({giving_back})

    assert isinstance(await connections._acquire(), _Held)


class FailingPool(FakePool):
    """A pool whose connections cannot be opened."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def acquire(self) -> FakeConnection:
        raise self._error


async def failed(error: Exception, expected: type[Exception]) -> Exception:
    """Return the error of a transaction. Its slot must be free for the next transaction."""
    connections = connections_of(FailingPool(error))
    for _ in range(2):
        with pytest.raises(expected) as caught:
            await connections.transaction().__aenter__()
    return caught.value


@pytest.mark.parametrize("kind", [ValueError, IndexError, KeyError])
async def test_an_error_that_may_quote_the_password_becomes_one_that_does_not(
    kind: type[Exception],
) -> None:
    error = await failed(kind("hunter2"), asyncpg.ClientConfigurationError)
    assert "hunter2" not in "".join(traceback.format_exception(error))


async def test_an_invalid_certificate_stays_an_error_of_the_network() -> None:
    error = ssl.SSLCertVerificationError(1, "expired")
    assert await failed(error, OSError) is error


# --- verification ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        lost(),
        ConnectionResetError(),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.ReadOnlySQLTransactionError("the server is read-only"),
    ],
    ids=repr,
)
async def test_an_operation_moves_at_once_from_a_broken_connection_to_another_one(
    way: str, error: Exception
) -> None:
    broken, sound = FakeConnection(error=error), FakeConnection()
    pool = FakePool(broken, sound)
    began = asyncio.get_running_loop().time()
    await run(connections_of(pool), way)
    assert asyncio.get_running_loop().time() == began
    assert broken.terminated
    assert not sound.terminated
    assert (pool.expired, pool.released) == (1, 2)


async def test_an_operation_moves_from_a_silent_connection_after_the_verify_timeout(
    way: str,
) -> None:
    silent, sound = FakeConnection(silent=True), FakeConnection()
    pool = FakePool(silent, sound)
    limits = PoolLimits(size=2, overflow=0, verify_timeout_s=1.0)
    began = asyncio.get_running_loop().time()
    await run(connections_of(pool, limits), way)
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)
    assert pool.expired
    await asyncio.sleep(2.0)  # the server does not acknowledge that the statement is cancelled
    assert silent.terminated


async def test_a_verification_takes_at_most_its_share_of_the_budget(way: str) -> None:
    """A connection that is only slow is not closed, and the other connections are kept."""
    silent, sound = FakeConnection(silent=True), FakeConnection()
    pool = FakePool(silent, sound)
    limits = PoolLimits(size=2, overflow=0, verify_timeout_s=1.0)
    began = asyncio.get_running_loop().time()
    await run(connections_of(pool, limits), way, verify_s=0.25)
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.25)
    assert not pool.expired
    await asyncio.sleep(2.0)  # the server does not acknowledge that the statement is cancelled
    assert silent.terminated
    assert pool.expired


async def test_a_slow_connection_costs_no_other_one_while_the_server_answers(way: str) -> None:
    """To open all connections anew would make a busy server slower."""
    silent, sound = FakeConnection(silent=True), FakeConnection()
    pool = FakePool(silent, sound, FakeConnection())
    connections = connections_of(pool, PoolLimits(size=3, overflow=0, verify_timeout_s=1.0))
    slow = asyncio.create_task(run(connections, way))
    await asyncio.sleep(0.5)
    await run(connections, way)
    await slow
    assert not pool.expired
    assert asyncio.get_running_loop().time() == pytest.approx(1.0)


async def test_a_broken_new_connection_is_not_replaced_at_once(way: str) -> None:
    """The server itself does not work then, so that the operation is retried with a delay."""
    pool = FakePool(FakeConnection(error=lost()), FakeConnection(error=lost(), new=True))
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await run(connections_of(pool), way)
    assert len(pool.used) == 2


async def test_a_connection_is_replaced_at_most_once_for_each_connection_of_the_pool(
    way: str,
) -> None:
    pool = FakePool(*(FakeConnection(error=lost()) for _ in range(9)))
    limits = PoolLimits(size=2, overflow=1)
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await run(connections_of(pool, limits), way)
    assert len(pool.used) == 4


async def test_a_refused_statement_is_not_moved_to_another_connection(way: str) -> None:
    refused = FakeConnection(error=asyncpg.UndefinedTableError("no such table"))
    pool = FakePool(refused, FakeConnection())
    with pytest.raises(asyncpg.UndefinedTableError):
        await run(connections_of(pool), way)
    assert not refused.terminated
    assert not pool.expired


async def test_a_connection_that_was_just_used_has_the_statement_timeout(way: str) -> None:
    """`verify_after_idle_s` is the idle time below which a connection is not verified."""
    silent = FakeConnection(silent=True)
    silent.released_at = asyncio.get_running_loop().time()
    limits = PoolLimits(size=2, overflow=0, verify_after_idle_s=5.0, verify_timeout_s=1.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(8.0):
            await run(connections_of(FakePool(silent, FakeConnection()), limits), way)


async def test_a_statement_that_is_run_often_moves_as_a_whole_to_another_connection() -> None:
    broken, silent = FakeConnection(error=lost()), FakeConnection(silent=True)
    pool = FakePool(broken, silent, FakeConnection())
    connections = connections_of(pool, PoolLimits(size=3, overflow=0, verify_timeout_s=1.0))
    assert await connections.fetch_again("SELECT 1", (), verify_s=0.25) == ["row"]
    assert asyncio.get_running_loop().time() == pytest.approx(0.25)
    assert broken.terminated


# --- a slow server --------------------------------------------------------------------------------


async def test_a_slow_server_has_more_time_to_answer_a_verification(way: str) -> None:
    pool = FakePool(FakeConnection(silent=True), FakeConnection())
    connections = connections_of(pool, PoolLimits(size=2, overflow=0, verify_timeout_s=1.0))
    connections._answers.note(0.8)
    await run(connections, way, verify_s=0.5)
    assert asyncio.get_running_loop().time() == pytest.approx(1.6)


class LateConnection(FakeConnection):
    """A connection whose server never answers a statement, and confirms its end after 1.5 s."""

    def __init__(self) -> None:
        super().__init__(silent=True)

    async def execute(self, query: str, *, timeout: float | None = None) -> str:  # noqa: ASYNC109
        if query.startswith("BEGIN"):
            await self._wait(timeout)
        async with asyncio.timeout(timeout):
            await asyncio.sleep(1.5)
        return "ROLLBACK"


@pytest.mark.parametrize(("opened_in_s", "kept"), [(0.1, False), (2.0, True)])
async def test_a_late_connection_is_kept_if_the_server_opens_connections_as_slowly(
    way: str, opened_in_s: float, kept: bool
) -> None:
    """To open a connection costs the server more than to answer a statement."""
    late = LateConnection()
    pool = FakePool(late)
    connections = connections_of(pool)
    connections._answers.note_opening(opened_in_s)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await run(connections, way)
    await asyncio.sleep(3.0)
    assert late.terminated is not kept
    assert bool(pool.expired) is not kept


# --- the rest of an operation ---------------------------------------------------------------------


async def test_an_operation_that_has_begun_is_not_moved(way: str) -> None:
    """Only the caller knows whether its statement may run twice."""
    broken = FakeConnection(later=lost())
    pool = FakePool(broken, FakeConnection())
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await run(connections_of(pool), way)
    assert broken.terminated
    assert pool.expired
    assert len(pool.used) == 1


async def test_a_closed_connection_is_reported_as_lost(way: str) -> None:
    broken = ClosedConnection(later=asyncpg.InterfaceError("connection is closed"))
    with pytest.raises(ConnectionLost):
        await run(connections_of(FakePool(broken)), way)


@pytest.mark.parametrize("later", [asyncio.CancelledError(), asyncpg.DataError("no number")])
async def test_a_statement_that_was_only_parsed_leaves_no_open_transaction(
    later: BaseException,
) -> None:
    """asyncpg sends no Sync after it has parsed a statement, so the locks would stay."""
    connection = FakeConnection(later=later)
    with pytest.raises(type(later)):
        await run(connections_of(FakePool(connection)), "fetch")
    await asyncio.sleep(0.1)
    assert connection.executed == ["SELECT 1"]
    assert not connection.terminated


async def test_a_commit_that_the_server_turns_into_a_rollback_is_an_error() -> None:
    connections = connections_of(FakePool(AbortedConnection()))
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await run(connections, "transaction")


async def test_a_transaction_begins_in_one_message_which_may_demand_a_writable_server() -> None:
    connection = FakeConnection()
    connections = connections_of(FakePool(connection, connection))
    async with connections.transaction():
        pass
    async with connections.transaction(writable=True):
        pass
    plain, commit, writable, _ = connection.executed
    assert plain.startswith("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_")
    assert commit == "COMMIT"
    assert "transaction_read_only" not in plain
    assert writable.startswith(plain)
    assert "transaction_read_only" in writable
