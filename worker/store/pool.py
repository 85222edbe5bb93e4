"""`Database`: operations on PostgreSQL, each a transaction with a budget, tried again in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from worker import faults
from worker.store.connections import Connections, PoolLimits, PoolUse
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

__all__ = ["BUDGET_S", "Database", "PoolLimits", "PoolUse"]

T = TypeVar("T")

#: An operation's budget in seconds, retries included, where it names none.
BUDGET_S = 5.0
_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 1.0

logger = logging.getLogger(__name__)


class Database:
    """A pool of connections in which every operation is one transaction with a budget.

    Prepared statements are not cached and the session is never changed, so PgBouncer's
    transaction mode works.
    """

    def __init__(self, connections: Connections, url: str) -> None:
        self._connections = connections
        #: The URL, its password masked.
        self.url = mask_url(url)

    @classmethod
    async def open(cls, url: str, limits: PoolLimits | None = None) -> Database:
        """Make the pool; the first connection is opened by the first operation.

        Raises `DatabaseUrlInvalid` for what is no PostgreSQL URL, whether or not a server runs.
        """
        check_url(url)
        return cls(await Connections.open(url, limits or PoolLimits()), url)

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
                        return await faults.at("database", self._once(operation), name)
                    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                        if is_refusal(error):
                            raise DatabaseUnavailable(name, error, self.url) from None
                        if not is_transient(error):
                            raise DatabaseOperationFailed(name, error) from None
                        cause = error
                    except (OSError, TimeoutError, ConnectionLost) as error:
                        cause = error
                    except asyncpg.InternalClientError as error:
                        # What came back is not PostgreSQL's protocol.
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
        return self._connections.use()

    async def aclose(self, *, budget_s: float = 5.0) -> None:
        """Close every connection; those still in use after `budget_s` are cut off."""
        await self._connections.aclose(budget_s=budget_s)

    async def _once(self, operation: Operation[T]) -> T:
        async with self._connections.transaction() as connection:
            return await operation(connection)


def _delays() -> Iterator[float]:
    """Seconds between tries: exponential with full jitter, so that workers do not come in step."""
    longest = _FIRST_DELAY_S
    while True:
        yield random.uniform(0, longest)  # noqa: S311 - spreads load, guards nothing
        longest = min(longest * 2, _LONGEST_DELAY_S)
