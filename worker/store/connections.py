"""A process's connections: some that are kept, and some more for a burst, closed soon after."""

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
    """The limits of one process's connections; every time is in seconds."""

    #: Connections that are kept once they are open, and how many more a burst may open.
    size: int = 5
    overflow: int = 5
    connect_timeout_s: float = 5.0
    #: Longest wait for a free connection where all are in use.
    acquire_timeout_s: float = 5.0
    statement_timeout_s: float = 10.0
    #: A connection idle for longer is verified before use; 0 verifies before every use.
    verify_after_idle_s: float = 0.0
    #: Also the longest time that a statement which was given up has to end.
    verify_timeout_s: float = 2.0
    #: A connection of the overflow that is idle for longer is closed.
    overflow_idle_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """How many connections are open, how many of them idle, and the most there can be."""

    connections: int
    idle: int
    most: int


class _StampedConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg ships no types
    """A connection that knows when it was last given back (the loop's clock, in seconds)."""

    released_at = math.inf


async def _stamp(connection: _StampedConnection) -> None:
    """Instead of asyncpg's reset on release.

    Its RESET ALL is one more round trip for every operation, and behind PgBouncer in transaction
    mode it resets somebody else's server connection. No operation changes the session.
    """
    connection.released_at = asyncio.get_running_loop().time()


#: A process that is stopped in the middle of a transaction would keep its locks, on the row of
#: all leases for one, until it goes on; the server ends it instead. Local: with PgBouncer the next
#: transaction may be on another connection.
_NO_LONGER_IDLE = "SET LOCAL idle_in_transaction_session_timeout = 2000"  # ms


class Connections:
    """Up to `size` connections that are kept, and up to `overflow` more while they are needed.

    One pool of asyncpg's keeps all idle connections or closes all of them, or opens those that it
    keeps before anybody needs them (`min_size`). So there are two, and the second is asked only
    while every place of the first is taken. Of the idle ones the one used last is taken first.
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
        """Make the pools; nothing is connected yet."""

        async def pool(size: int, idle_s: float) -> Any:
            return await asyncpg.create_pool(
                url,
                min_size=0,
                max_size=size,
                max_inactive_connection_lifetime=idle_s,
                # PgBouncer in transaction mode: a statement would be prepared on one server
                # connection and looked for on another.
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
        """A connection in a transaction, committed where the block ends well, else rolled back.

        Raises TimeoutError where no connection is free in time, ConnectionLost where the one it
        got was broken (the next try gets a new one), and what asyncpg raises otherwise.
        """
        pool = await self._enter()
        try:
            if pool.is_closing():
                raise ConnectionLost
            connection = await pool.acquire()
        except BaseException:
            self._leave(pool)
            raise
        # Whatever the database's own default is: `check_schema` relies on it.
        transaction = connection.transaction(isolation="read_committed")
        try:
            await self._verify(connection)
            await transaction.start()
            await connection.execute(_NO_LONGER_IDLE)
            yield connection
            await transaction.commit()
        except (TimeoutError, asyncio.CancelledError):
            # In mid-statement. asyncpg asks the server to end it, which no budget may wait for.
            # Were the connection cut off instead, its statement would stay on the server, in the
            # line for a lock for example, and so would that of every further try.
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
        """Wait for a place, and return the pool that has it."""
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
            # What broke one idle connection has most likely broken them all.
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
                # What can fail here is the end of a connection, and no longer the operation.
                with contextlib.suppress(Exception):
                    await pool.release(connection, timeout=self._limits.verify_timeout_s)
            finally:
                # Also where this is cancelled: asyncpg goes on, and a place is never lost.
                self._leave(pool)

    def _pools(self) -> list[Any]:
        return [pool for pool in (self._kept, self._overflow) if pool is not None]

    def use(self) -> PoolUse:
        """The use at this moment."""
        pools = self._pools()
        return PoolUse(
            connections=sum(pool.get_size() for pool in pools),
            idle=sum(pool.get_idle_size() for pool in pools),
            most=self._limits.size + self._limits.overflow,
        )

    async def aclose(self, *, budget_s: float) -> None:
        """Close every connection; those still in use after `budget_s` are cut off."""
        try:
            async with asyncio.timeout(budget_s):
                await asyncio.gather(*(pool.close() for pool in self._pools()))
        except TimeoutError:
            for pool in self._pools():
                pool.terminate()
        for task in self._giving_back:
            # Its connection is cut off: there is nothing left to roll back.
            task.cancel()
        if self._giving_back:
            await asyncio.wait(self._giving_back)


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # asyncpg has taken it back already


def _cut_off(connection: Any) -> None:
    with contextlib.suppress(asyncpg.InterfaceError):  # taken back already
        connection.terminate()
