"""Errors that database operations raise.

An error message names the operation and the kind of failure. An error message never quotes a
message of PostgreSQL or asyncpg, because such a message may contain a candidate's words.
"""

from __future__ import annotations

import ssl
from typing import Final

import asyncpg

from worker.faults.effects import add_error
from worker.faults.grammar import Fault
from worker.faults.points import Kind

#: SQLSTATEs of transient failures, as prefixes or whole codes
#: (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_TRANSIENT_STATES = (
    "08",  # connection exceptions, including PgBouncer's own
    "25006",  # read-only transaction: a standby during a fail-over
    "25P03",  # idle-in-transaction timeout: this process was stopped during a transaction
    "25P04",  # transaction timeout of the server
    "40001",  # serialization failure
    "40P01",  # deadlock detected
    "53",  # insufficient resources: disk full, out of memory, too many connections
    "55P03",  # lock not available: the lock timeout of the server or of a migration
    "57",  # operator intervention: shutdown, restart, statement timeout of the server
    "58",  # system error outside PostgreSQL, such as an I/O error
)

#: SQLSTATEs, as prefixes or whole codes, after which the connection must not be used again: it is
#: broken, its server is going away, or its server does not accept writes.
_ENDING_STATES = (
    "08",  # connection exceptions, including PgBouncer's own
    "25006",  # read-only transaction: the server was the primary before a fail-over
    "57P",  # shutdown, crash, start-up, dropped database, idle session timeout
)

#: SQLSTATEs of a permanently refused connection: failed authorization, or a missing database.
_REFUSED_STATES = ("28", "3D000")


#: Errors that `connection.connect` raises if it cannot open a connection outside the pool.
CONNECTION_FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


class DatabaseError(Exception):
    """Raised when a database operation did not succeed.

    `operation` is the name of the operation, and `cause` is the last underlying error.
    """

    def __init__(self, operation: str, cause: BaseException, problem: str) -> None:
        self.operation = operation
        self.cause = cause
        super().__init__(f"database: {operation}: {problem}")


class DatabaseUnavailable(DatabaseError):
    """Raised when the database was unreachable within the time budget, or refused the connection.

    The operation may be retried later. The writes of the operation were rolled back, with one
    exception: if the connection broke during the commit (for `Database.fetch`: while the statement
    ran), all of the writes may have been committed.
    """

    def __init__(self, operation: str, cause: BaseException, url: str) -> None:
        self.url = url
        super().__init__(operation, cause, f"unavailable: {kind_of(cause)} ({url})")


class DatabaseOperationFailed(DatabaseError):
    """Raised when the database refused the operation and a retry would not help."""

    def __init__(self, operation: str, cause: BaseException) -> None:
        super().__init__(operation, cause, f"refused: {kind_of(cause)}")

    def violates(self, constraint: str) -> bool:
        """Return whether the constraint or the unique index of this name refused the operation."""
        return getattr(self.cause, "constraint_name", None) == constraint


class ConnectionLost(Exception):
    """Raised when a database connection was closed before or during an operation."""


def is_transient(error: BaseException) -> bool:
    """Return whether the error is transient, so that a retry may succeed."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_TRANSIENT_STATES)
    return isinstance(error, (OSError, TimeoutError, ConnectionLost))


def ends_connection(error: BaseException) -> bool:
    """Return whether the connection on which the error occurred must not be used again.

    After a timeout the connection may be used again, because the server may only be slow.
    """
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_ENDING_STATES)
    if isinstance(error, TimeoutError):
        return False
    return isinstance(error, (OSError, ConnectionLost, asyncpg.InternalClientError))


def is_refusal(error: BaseException) -> bool:
    """Return whether the server refuses the connection permanently, so that retries are useless."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_REFUSED_STATES)
    return isinstance(error, asyncpg.ClientConfigurationError)


def kind_of(error: BaseException) -> str:
    """Return the kind of an error in a few words that contain no data."""
    if isinstance(error, asyncpg.PostgresError):
        names = [
            f"{part} {value}"
            for part in ("constraint", "table", "column")
            if (value := getattr(error, f"{part}_name", None))
        ]
        return " ".join([f"{type(error).__name__} {error.sqlstate}", *names])
    if isinstance(error, asyncpg.ClientConfigurationError):
        return "DATABASE_URL or a PG* variable is wrong"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "no host of DATABASE_URL accepts writes"
    if isinstance(error, ConnectionLost):
        return "the connection was lost"
    if isinstance(error, ssl.SSLCertVerificationError):
        # Quote OpenSSL's text, which contains at most the host of the URL.
        return (
            f"the certificate of the server is not valid ({error.verify_message.rstrip('.')}): "
            "name its authority with sslrootcert in DATABASE_URL, or set INTERVIEW_DATABASE_TLS"
        )
    if isinstance(error, TimeoutError):
        return "timed out"
    if type(error) is ConnectionError or isinstance(error, asyncpg.InternalClientError):
        # asyncpg raises these errors if the server's answer is not in PostgreSQL's protocol.
        return "the server is not PostgreSQL, or refuses TLS (see INTERVIEW_DATABASE_TLS)"
    if isinstance(error, OSError):
        return str(error.strerror or type(error).__name__)
    return type(error).__name__


#: SQLSTATE of PostgreSQL's internal_error. A retry after this error does not help.
_INTERNAL_ERROR = "XX000"


def _injected(fault: Fault) -> Exception:
    """Return the exception that the database would raise for an injected fault."""
    if fault.kind is Kind.CLOSE:
        return ConnectionResetError(f"{fault} is set")
    fields = {"C": fault.raises or _INTERNAL_ERROR, "M": f"{fault} is set"}
    error: Exception = asyncpg.PostgresError.new(fields)
    return error


add_error("database", _injected)
