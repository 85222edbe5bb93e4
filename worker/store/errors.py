"""What can go wrong with the database, as the rest of the worker sees it.

The messages name the operation and the kind of failure and quote no values: PostgreSQL's and
asyncpg's own messages may hold what a candidate said.
"""

from __future__ import annotations

import asyncpg

#: SQLSTATEs of failures that pass by themselves, by prefix or whole
#: (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_TRANSIENT_STATES = (
    "08",  # connection exceptions, PgBouncer's own among them
    "25006",  # read-only transaction: a standby, in the middle of a fail-over
    "40001",  # serialization failure
    "40P01",  # deadlock detected
    "53300",  # too many connections
    "25P03",  # idle in a transaction: this process was stopped in the middle of it
    "57P01",  # admin shutdown
    "57P02",  # crash shutdown
    "57P03",  # cannot connect now: starting up or in recovery
)

#: SQLSTATEs that refuse the connection for good: authorization, and a database that is not there.
_REFUSED_STATES = ("28", "3D000")


class DatabaseError(Exception):
    """A database operation did not succeed.

    `operation` is its name, `cause` the last error behind it.
    """

    def __init__(self, operation: str, cause: BaseException, problem: str) -> None:
        self.operation = operation
        self.cause = cause
        super().__init__(f"database: {operation}: {problem}")


class DatabaseUnavailable(DatabaseError):
    """The database could not be reached, or refused us, within the operation's budget.

    The operation may be tried again later; what it wrote, if anything, was rolled back, or
    committed as a whole where the connection was lost during the commit.
    """

    def __init__(self, operation: str, cause: BaseException, url: str) -> None:
        self.url = url
        super().__init__(operation, cause, f"unavailable: {kind_of(cause)} ({url})")


class DatabaseOperationFailed(DatabaseError):
    """The database is there and refused the operation; trying again would not help."""

    def __init__(self, operation: str, cause: BaseException) -> None:
        super().__init__(operation, cause, f"refused: {kind_of(cause)}")


class ConnectionLost(Exception):
    """The connection closed under an operation."""


def is_transient(error: BaseException) -> bool:
    """Whether the same operation may succeed in a moment."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_TRANSIENT_STATES)
    return isinstance(error, (OSError, TimeoutError, ConnectionLost))


def is_refusal(error: BaseException) -> bool:
    """Whether the server is there and does not let us in: waiting does not help."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_REFUSED_STATES)
    return isinstance(error, asyncpg.ClientConfigurationError)


def kind_of(error: BaseException) -> str:
    """The kind of an error in a few words that hold no data."""
    if isinstance(error, asyncpg.PostgresError):
        names = [
            f"{part} {value}"
            for part in ("constraint", "table", "column")
            if (value := getattr(error, f"{part}_name", None))
        ]
        return " ".join([f"{type(error).__name__} {error.sqlstate}", *names])
    if isinstance(error, ConnectionLost):
        return "the connection was lost"
    if isinstance(error, TimeoutError):
        return "timed out"
    if type(error) is ConnectionError or isinstance(error, asyncpg.InternalClientError):
        # asyncpg's word for an answer that is none of PostgreSQL's.
        return "what answers is no PostgreSQL, or refuses TLS"
    if isinstance(error, OSError):
        return str(error.strerror or type(error).__name__)
    return type(error).__name__
