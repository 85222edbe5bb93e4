"""The connections to PostgreSQL: few, verified before use, and tried again when they break."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from worker.store.errors import (
    ConnectionLost,
    DatabaseOperationFailed,
    DatabaseUnavailable,
    is_refusal,
    is_transient,
    kind_of,
)
from worker.store.url import check_url, mask_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.store.connection import Operation

T = TypeVar("T")

#: An operation's budget in seconds, retries included, where it names none.
BUDGET_S = 5.0
_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """The limits of one process's connections; every time is in seconds."""

    #: Connections of normal use, and how many more a burst may open.
    size: int = 5
    overflow: int = 5
    connect_timeout_s: float = 5.0
    #: Longest wait for a free connection.
    acquire_timeout_s: float = 5.0
    statement_timeout_s: float = 10.0
    #: A connection idle for longer is verified before use; 0 verifies before every use.
    verify_after_idle_s: float = 0.0
    verify_timeout_s: float = 2.0
    #: A connection idle for longer is closed, which is how overflow goes away.
    close_after_idle_s: float = 300.0


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


class Database:
    """A pool of connections in which every operation is one transaction with a budget.

    asyncpg knows no overflow: the pool grows to `size + overflow` as needed, hands out the
    connection used last, and closes each that stays idle. Prepared statements are not cached and
    the session is never changed, so PgBouncer's transaction mode works.
    """

    def __init__(self, pool: Any, url: str, limits: PoolLimits) -> None:
        self._pool = pool
        self._limits = limits
        #: The URL, its password masked.
        self.url = mask_url(url)

    @classmethod
    async def open(cls, url: str, limits: PoolLimits | None = None) -> Database:
        """Make the pool; the first connection is opened by the first operation.

        Raises `DatabaseUrlInvalid` for what is no PostgreSQL URL, whether or not a server runs.
        """
        check_url(url)
        limits = limits or PoolLimits()
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=limits.size + limits.overflow,
            max_inactive_connection_lifetime=limits.close_after_idle_s,
            statement_cache_size=0,
            command_timeout=limits.statement_timeout_s,
            timeout=limits.connect_timeout_s,
            connection_class=_StampedConnection,
            reset=_stamp,
            server_settings={"application_name": "interview-worker"},
        )
        return cls(pool, url, limits)

    async def run(self, name: str, operation: Operation[T], *, budget_s: float = BUDGET_S) -> T:
        """Run an operation in a transaction, again after transient errors, within `budget_s`.

        A connection that breaks during the commit leaves open whether it was done, so an
        operation must be fit to run twice. Raises `DatabaseUnavailable` when the budget is spent
        or the server does not let us in, `DatabaseOperationFailed` when it refuses the operation;
        what the operation itself raises passes through.
        """
        cause: BaseException = TimeoutError()
        # Only the budget's own TimeoutError gets here: that of a statement is one more cause.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(budget_s):
                for attempt, delay_s in enumerate(_delays(), start=1):
                    try:
                        return await self._once(operation)
                    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                        if is_refusal(error):
                            raise DatabaseUnavailable(name, error, self.url) from None
                        if not is_transient(error):
                            raise DatabaseOperationFailed(name, error) from None
                        cause = error
                    except (OSError, TimeoutError, ConnectionLost) as error:
                        cause = error
                    logger.warning(
                        "database_retry",
                        extra={"operation": name, "attempt": attempt, "error": kind_of(cause)},
                    )
                    await asyncio.sleep(delay_s)
        raise DatabaseUnavailable(name, cause, self.url)

    async def ping(self, *, budget_s: float = BUDGET_S) -> None:
        """Raise `DatabaseUnavailable` unless the database answers within `budget_s`."""
        await self.run("ping", lambda connection: connection.execute("SELECT 1"), budget_s=budget_s)

    def use(self) -> PoolUse:
        """The pool's use at this moment."""
        return PoolUse(
            connections=self._pool.get_size(),
            idle=self._pool.get_idle_size(),
            most=self._pool.get_max_size(),
        )

    async def aclose(self, *, budget_s: float = 5.0) -> None:
        """Close every connection; those still in use after `budget_s` are cut off."""
        try:
            async with asyncio.timeout(budget_s):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _once(self, operation: Operation[T]) -> T:
        if self._pool.is_closing():
            raise ConnectionLost
        connection = await self._pool.acquire(timeout=self._limits.acquire_timeout_s)
        try:
            await self._verify(connection)
            return await self._in_transaction(connection, operation)
        except Exception as error:
            if isinstance(error, asyncpg.InterfaceError) and connection.is_closed():
                raise ConnectionLost from None
            raise
        except BaseException:
            # Giving back a connection in mid-statement waits for the server, beyond any budget.
            connection.terminate()
            raise
        finally:
            await self._pool.release(connection)

    async def _verify(self, connection: Any) -> None:
        idle_s = asyncio.get_running_loop().time() - connection.released_at
        if idle_s < self._limits.verify_after_idle_s:
            return
        try:
            await connection.execute("SELECT 1", timeout=self._limits.verify_timeout_s)
        except Exception:
            connection.terminate()
            # What broke one idle connection has most likely broken them all.
            await self._pool.expire_connections()
            raise ConnectionLost from None

    @staticmethod
    async def _in_transaction(connection: Any, operation: Operation[T]) -> T:
        transaction = connection.transaction()
        await transaction.start()
        try:
            result = await operation(connection)
        except Exception:
            # The operation's own error is the one that tells what happened.
            with contextlib.suppress(Exception):
                await transaction.rollback()
            raise
        await transaction.commit()
        return result


def _delays() -> Iterator[float]:
    """Seconds between tries: exponential with full jitter, so that workers do not come in step."""
    longest = _FIRST_DELAY_S
    while True:
        yield random.uniform(0, longest)  # noqa: S311 - spreads load, guards nothing
        longest = min(longest * 2, _LONGEST_DELAY_S)
