"""Database connections of a process: permanent ones, and short-lived ones for bursts."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from worker.store.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """Limits of one process's connections. All times are in seconds."""

    #: Connections that stay open once they are opened.
    size: int = 5
    #: Further connections that a burst may open.
    overflow: int = 5
    connect_timeout_s: float = 5.0
    #: Longest wait for a free connection while all are in use.
    acquire_timeout_s: float = 5.0
    statement_timeout_s: float = 10.0
    #: A connection idle for longer is verified before use; 0 verifies before every use.
    verify_after_idle_s: float = 0.0
    #: Limit of that verification, and of the rollback of an abandoned statement.
    verify_timeout_s: float = 2.0
    #: An overflow connection that is idle for longer is closed.
    overflow_idle_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """Number of open connections, of idle ones among them, and the maximum."""

    connections: int
    idle: int
    most: int


class _StampedConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg ships no types
    """A connection that stores when it was last released (the loop's clock, in seconds)."""

    released_at = math.inf


async def _stamp(connection: _StampedConnection) -> None:
    """Record the time of the release, in place of asyncpg's reset.

    asyncpg's RESET ALL costs one more round trip for every operation. Behind PgBouncer in
    transaction mode it resets the server connection of another client. No operation changes the
    session, so no reset is needed.
    """
    connection.released_at = asyncio.get_running_loop().time()


#: A process that is stopped during a transaction would keep its locks until it resumes, such as
#: the lock on the row `lease_contact`. With this setting the server ends the transaction. LOCAL,
#: because with PgBouncer the next transaction may use another connection.
_NO_LONGER_IDLE = "SET LOCAL idle_in_transaction_session_timeout = 2000"  # ms


class Connections:
    """Up to `size` connections that stay open, and up to `overflow` more while they are needed.

    A single asyncpg pool keeps all idle connections, or closes all of them, or opens the ones to
    keep before they are needed (`min_size`). Therefore this class uses two pools. It uses the
    second one only while all connections of the first are in use. Of several idle connections the
    most recently used one is taken first.
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
                # PgBouncer in transaction mode: a statement would be prepared on one server
                # connection and executed on another.
                statement_cache_size=0,
                command_timeout=limits.statement_timeout_s,
                timeout=limits.connect_timeout_s,
                connection_class=_StampedConnection,
                reset=_stamp,
                server_settings={"application_name": "interview-worker"},
            )

        kept = await pool(limits.size, 0)  # 0: never closed for being idle
        overflow = await pool(limits.overflow, limits.overflow_idle_s) if limits.overflow else None
        return cls(kept, overflow, limits)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Yield a connection in a transaction: commit if the block succeeds, else roll back.

        Raises TimeoutError if no connection is free in time, ConnectionLost if the connection was
        broken (the next try gets a new one), and otherwise the errors of asyncpg.
        """
        pool = await self._enter()
        try:
            if pool.is_closing():
                raise ConnectionLost
            connection = await pool.acquire()
        except BaseException:
            self._leave(pool)
            raise
        # Regardless of the database's default: `check_schema` relies on this level.
        transaction = connection.transaction(isolation="read_committed")
        try:
            await self._verify(connection)
            await transaction.start()
            await connection.execute(_NO_LONGER_IDLE)
            yield connection
            await transaction.commit()
        except (TimeoutError, asyncio.CancelledError):
            # A statement may be running. asyncpg asks the server to cancel it, in a task of its
            # own so that the caller's budget does not wait for it. If the connection were
            # terminated instead, the statement would stay on the server, for example waiting for
            # a lock, and each further try would add another one.
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
        """Wait for a free slot; return the pool that provides the connection."""
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
            # The same cause has most likely broken all idle connections.
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
                # An error here concerns the release of the connection, not the operation.
                with contextlib.suppress(Exception):
                    await pool.release(connection, timeout=self._limits.verify_timeout_s)
            finally:
                # Also on cancellation: asyncpg finishes the release, and no slot is lost.
                self._leave(pool)

    def _pools(self) -> list[Any]:
        return [pool for pool in (self._kept, self._overflow) if pool is not None]

    def use(self) -> PoolUse:
        """Return the current use of the connections."""
        pools = self._pools()
        return PoolUse(
            connections=sum(pool.get_size() for pool in pools),
            idle=sum(pool.get_idle_size() for pool in pools),
            most=self._limits.size + self._limits.overflow,
        )

    async def aclose(self, *, budget_s: float) -> None:
        """Close every connection; terminate those still in use after `budget_s` seconds."""
        try:
            async with asyncio.timeout(budget_s):
                await asyncio.gather(*(pool.close() for pool in self._pools()))
        except TimeoutError:
            for pool in self._pools():
                pool.terminate()
        for task in self._giving_back:
            # Its connection is closed: nothing is left to roll back.
            task.cancel()
        if self._giving_back:
            await asyncio.wait(self._giving_back)


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already


def _cut_off(connection: Any) -> None:
    with contextlib.suppress(asyncpg.InterfaceError):  # the pool has taken it back already
        connection.terminate()
