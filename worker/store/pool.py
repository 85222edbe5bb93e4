"""Database connections of one process: permanent connections, and temporary ones for bursts."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from worker.store.connection import refusing_wrong_configuration
from worker.store.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """Limits of the database connections of one process. All times are in seconds."""

    #: Maximum number of permanent connections, which stay open once they are opened.
    size: int = 5
    #: Maximum number of additional connections, which are opened only while all permanent
    #: connections are in use.
    overflow: int = 5
    connect_timeout_s: float = 5.0
    #: Longest wait for a free connection while all connections are in use.
    acquire_timeout_s: float = 5.0
    statement_timeout_s: float = 10.0
    #: Idle time after which a connection is verified before its next use. 0: before every use.
    verify_after_idle_s: float = 0.0
    #: Timeout for verifying a connection, for the rollback of an unfinished transaction, and for
    #: the release of a connection.
    verify_timeout_s: float = 2.0
    #: Idle time after which an additional connection is closed.
    overflow_idle_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """Use of the pool: the number of open connections, how many are idle, and the maximum."""

    connections: int
    idle: int
    most: int


class _StampedConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg ships no types
    """A connection that stores the time of its last release (event loop's clock, in seconds)."""

    released_at = math.inf


async def _stamp(connection: _StampedConnection) -> None:
    """Store the time of the release. Replaces asyncpg's own reset of a released connection.

    asyncpg's RESET ALL costs one more round trip for every operation. Behind PgBouncer in
    transaction mode, RESET ALL resets the server connection of another client. No operation changes
    the session, so no reset is needed.
    """
    connection.released_at = asyncio.get_running_loop().time()


#: Statement that lets the server end a transaction that waits longer than 2 s for its next
#: statement. Otherwise a process that is stopped (SIGSTOP) during a transaction would keep its row
#: locks until the process resumes, for example the lock on the row of `lease_contact`. The setting
#: is LOCAL because with PgBouncer the next transaction may use another connection.
_NO_LONGER_IDLE = "SET LOCAL idle_in_transaction_session_timeout = 2000"  # ms


class Connections:
    """The permanent and the additional connections of one process, within `PoolLimits`.

    A single asyncpg pool either keeps all idle connections, or closes all of them, or opens its
    permanent connections before they are needed (`min_size`). Therefore this class uses two pools.
    The second pool is used only while all connections of the first pool are in use. Of several idle
    connections, the most recently used connection is taken first.
    """

    def __init__(self, kept: Any, overflow: Any | None, limits: PoolLimits) -> None:
        self._kept = kept
        self._overflow = overflow
        self._limits = limits
        self._kept_free = limits.size
        self._free = asyncio.Semaphore(limits.size + limits.overflow)
        self._giving_back: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, url: str, limits: PoolLimits) -> Connections:
        """Create the pools. No connection is opened yet."""

        async def pool(size: int, idle_s: float) -> Any:
            return await asyncpg.create_pool(
                url,
                min_size=0,
                max_size=size,
                max_inactive_connection_lifetime=idle_s,
                # Prepare no statements, because PgBouncer in transaction mode could prepare a
                # statement on one server connection and execute it on another.
                statement_cache_size=0,
                command_timeout=limits.statement_timeout_s,
                timeout=limits.connect_timeout_s,
                connection_class=_StampedConnection,
                reset=_stamp,
                server_settings={"application_name": "interview-worker"},
            )

        kept = await pool(limits.size, 0)  # 0: idle connections stay open
        overflow = await pool(limits.overflow, limits.overflow_idle_s) if limits.overflow else None
        return cls(kept, overflow, limits)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Yield a connection in a transaction. Commit if the block succeeds, otherwise roll back.

        Raises TimeoutError if no connection becomes free in time, and ConnectionLost if the
        connection was broken (the next attempt gets a new connection). Errors of asyncpg, among
        them ClientConfigurationError for a wrong URL, pass through.
        """
        pool = await self._enter()
        try:
            if pool.is_closing():
                raise ConnectionLost
            with refusing_wrong_configuration():
                connection = await pool.acquire()
        except BaseException:
            self._leave(pool)
            raise
        # Set the isolation level here, because `check_schema` relies on this level and the
        # database's default may differ.
        transaction = connection.transaction(isolation="read_committed")
        try:
            await self._verify(connection)
            await transaction.start()
            await connection.execute(_NO_LONGER_IDLE)
            yield connection
            await transaction.commit()
        except (TimeoutError, asyncio.CancelledError):
            # A statement may still be running. asyncpg asks the server to cancel the statement. A
            # separate task waits for the cancellation, so that the caller does not exceed its time
            # budget. If the connection were terminated instead, the statement would stay on the
            # server, for example waiting for a lock, and each retry would add another such
            # statement.
            task = asyncio.create_task(
                self._give_back(pool, connection, transaction), name="give-back-connection"
            )
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)
            raise
        except BaseException as error:
            lost = isinstance(error, asyncpg.InterfaceError) and _is_closed(connection)
            await self._give_back(pool, connection, transaction)
            if lost:
                raise ConnectionLost from None
            raise
        else:
            await self._give_back(pool, connection, None)

    async def _enter(self) -> Any:
        """Wait for a free connection slot; return the pool that provides the connection."""
        async with asyncio.timeout(self._limits.acquire_timeout_s):
            await self._free.acquire()
        if self._kept_free:
            self._kept_free -= 1
            return self._kept
        return self._overflow

    def _leave(self, pool: Any) -> None:
        if pool is self._kept:
            self._kept_free += 1
        self._free.release()

    async def _verify(self, connection: Any) -> None:
        idle_s = asyncio.get_running_loop().time() - connection.released_at
        if idle_s < self._limits.verify_after_idle_s:
            return
        try:
            await connection.execute("SELECT 1", timeout=self._limits.verify_timeout_s)
        except Exception:
            _cut_off(connection)
            # The cause that broke this connection has most likely broken all idle connections.
            for pool in self._pools():
                await pool.expire_connections()
            raise ConnectionLost from None

    async def _give_back(self, pool: Any, connection: Any, unfinished: Any | None) -> None:
        try:
            if unfinished is not None:
                async with asyncio.timeout(self._limits.verify_timeout_s):
                    await unfinished.rollback()
        except BaseException as error:
            _cut_off(connection)
            if not isinstance(error, Exception):
                raise
        finally:
            try:
                # Ignore an error of the release, because the operation itself has already ended.
                with contextlib.suppress(Exception):
                    await pool.release(connection, timeout=self._limits.verify_timeout_s)
            finally:
                # Free the slot on cancellation as well, because asyncpg still finishes the release.
                self._leave(pool)

    def _pools(self) -> list[Any]:
        return [pool for pool in (self._kept, self._overflow) if pool is not None]

    def use(self) -> PoolUse:
        """Return how many connections are open, how many are idle, and the maximum."""
        pools = self._pools()
        return PoolUse(
            connections=sum(pool.get_size() for pool in pools),
            idle=sum(pool.get_idle_size() for pool in pools),
            most=self._limits.size + self._limits.overflow,
        )

    async def aclose(self, *, budget_s: float) -> None:
        """Close all connections; terminate those that are still in use after `budget_s` seconds."""
        try:
            async with asyncio.timeout(budget_s):
                await asyncio.gather(*(pool.close() for pool in self._pools()))
        except TimeoutError:
            for pool in self._pools():
                pool.terminate()
        for task in self._giving_back:
            # The connection of this task is closed, so the task has nothing left to roll back.
            task.cancel()
        if self._giving_back:
            await asyncio.wait(self._giving_back)


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # the pool has already taken the connection back


def _cut_off(connection: Any) -> None:
    with contextlib.suppress(asyncpg.InterfaceError):  # the pool may have taken the connection back
        connection.terminate()
