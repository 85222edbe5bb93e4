"""Run PostgreSQL operations, each in one transaction and with retries within a time budget."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from worker import faults
from worker.aio.backoff import ExponentialBackoff
from worker.aio.threads import in_thread
from worker.store.connection import APPLICATION, connect
from worker.store.errors import (
    ConnectionLost,
    DatabaseOperationFailed,
    DatabaseUnavailable,
    is_refusal,
    is_transient,
    kind_of,
)
from worker.store.pool import Connections, PoolLimits, PoolUse
from worker.store.url import DatabaseUrl, check_url, mask_url

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from worker.store.connection import Operation, Row, UrlSource

__all__ = ["BUDGET_S", "Database", "PoolLimits", "PoolUse"]

T = TypeVar("T")

#: Default time budget of an operation in seconds, including its retries.
BUDGET_S = 5.0
#: Delays between the retries of an operation. The jitter is 1.0, because after a restart of the
#: server all connections of all workers fail at once.
_RETRY = ExponentialBackoff(first_s=0.05, longest_s=1.0, jitter=1.0)
#: Share of an operation's budget that the verification of one connection may use. An operation
#: whose first round trip needs half of the budget would not succeed on this connection anyway.
_VERIFICATION = 0.5

logger = logging.getLogger(__name__)


class Database:
    """Connection pool that runs each operation as one transaction with a time budget.

    The pool caches no prepared statements and never changes the session, so that it works behind
    PgBouncer in transaction mode.
    """

    #: The pass with which a job's own role may read the plan and the words of the job's interview
    #: (see `worker.store.job_access`); None for any other role.
    own_pass: str | None = None

    def __init__(
        self, connections: Connections, url: str, url_again: UrlSource | None = None
    ) -> None:
        self._connections = connections
        self._url = url
        self._url_again = url_again
        #: The URL with its password masked.
        self.url = mask_url(url)
        self.own_pass = DatabaseUrl.of(url).own_pass

    @classmethod
    async def open(
        cls, url: str, limits: PoolLimits | None = None, url_again: UrlSource | None = None
    ) -> Database:
        """Create the pool. The first operation opens the first connection.

        If `url_again` is given, it is called before each new connection and returns the URL to use,
        because the password in the URL may be rotated. Raises `DatabaseUrlInvalid` if `url` is not
        a PostgreSQL URL.
        """
        check_url(url)
        connections = await Connections.open(url, limits or PoolLimits(), url_again)
        return cls(connections, url, url_again)

    async def fetch(
        self,
        name: str,
        query: str,
        *args: object,
        budget_s: float = BUDGET_S,
        often: bool = False,
    ) -> list[Row]:
        """Run one statement in its own transaction, with two round trips; return its rows.

        The first round trip only parses the statement. If this round trip fails, the statement is
        run on another connection at once. With `often`, for a statement that a process repeats
        every few seconds, only the first run on a connection has this round trip, and if the only
        round trip of a later run fails, the whole statement is run on another connection. A
        statement without rows, such as an UPDATE without RETURNING, returns an empty list. The
        first use of an array type that is not in `connection._ARRAYS` costs six more round trips on
        each connection.

        As in `run`, transient errors are retried, and the outcome is unknown if the connection
        breaks, so the statement must be idempotent.
        """

        async def once() -> list[Row]:
            fetch = self._connections.fetch_again if often else self._connections.fetch
            return await fetch(query, args, verify_s=budget_s * _VERIFICATION)

        return await self._retried(name, once, budget_s)

    async def run(
        self,
        name: str,
        operation: Operation[T],
        *,
        budget_s: float = BUDGET_S,
        writable: bool = False,
    ) -> T:
        """Run an operation in a transaction, and retry transient errors for `budget_s` seconds.

        The transaction costs two round trips, each statement with arguments two more. With
        `writable`, even an operation that only reads runs only on a server that accepts writes.
        After a fail-over, a pooled connection may lead to a read-only server, whose rows may be
        old.

        If the connection breaks during the commit, it is unknown whether the commit succeeded.
        Operations must therefore be idempotent. Raises `DatabaseUnavailable` if `budget_s` is spent
        or the server refuses the connection, and `DatabaseOperationFailed` if the server refuses
        the operation. All other errors of the operation are raised unchanged.
        """

        async def once() -> T:
            async with self._connections.transaction(
                writable=writable, verify_s=budget_s * _VERIFICATION
            ) as connection:
                return await operation(connection)

        return await self._retried(name, once, budget_s)

    async def _retried(
        self, name: str, once: Callable[[], Coroutine[Any, Any, T]], budget_s: float
    ) -> T:
        cause: BaseException = TimeoutError()
        # Suppress only the TimeoutError of `budget_s`. A TimeoutError of a statement is caught
        # below, and the operation is retried.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(budget_s):
                for attempt, delay_s in enumerate(_RETRY.delays(), start=1):
                    try:
                        result: T = await faults.at("database", once(), name)
                        return result
                    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                        if is_refusal(error):
                            raise DatabaseUnavailable(name, error, self.url) from None
                        if not is_transient(error):
                            raise DatabaseOperationFailed(name, error) from None
                        cause = error
                    except (OSError, TimeoutError, ConnectionLost) as error:
                        cause = error
                    except asyncpg.InternalClientError as error:
                        # The server's answer does not follow PostgreSQL's protocol, or no host of
                        # the URL accepts writes.
                        cause = error
                    logger.warning(
                        "a database operation failed and is tried again",
                        extra={
                            "event": "database_retry",
                            "operation": name,
                            "attempt": attempt,
                            "error": kind_of(cause),
                        },
                    )
                    await asyncio.sleep(delay_s)
        raise DatabaseUnavailable(name, cause, self.url)

    async def open_connection(self, *, timeout_s: float) -> Any:
        """Open one connection outside the pool, for a statement that may run for minutes.

        The caller must close the connection. Raises one of `errors.CONNECTION_FAILURES`.
        """
        again = self._url_again
        url = self._url if again is None else await in_thread("read-database-url", again)
        return await connect(url, timeout_s=timeout_s, application=APPLICATION)

    async def ping(self, *, budget_s: float = BUDGET_S) -> None:
        """Raise `DatabaseUnavailable` unless the database answers within `budget_s` seconds."""
        await self.fetch("ping", "SELECT 1", budget_s=budget_s)

    def use(self) -> PoolUse:
        """Return how many connections of the pool are open, how many are idle, and the maximum."""
        return self._connections.use()

    async def aclose(self, *, budget_s: float = 5.0) -> None:
        """Close all connections; terminate those that are still in use after `budget_s` seconds."""
        await self._connections.aclose(budget_s=budget_s)
