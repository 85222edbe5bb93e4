"""Statements with which a pool begins and ends the work on a connection."""

from __future__ import annotations

from typing import Final

#: Time in ms after which the server ends a transaction that waits for its next statement. Otherwise
#: a process that is stopped (SIGSTOP) during a transaction would keep its row locks until the
#: process resumes. The setting is LOCAL because with PgBouncer the next transaction may use another
#: connection.
_IDLE_MS: Final = 2000
#: Statement that fails on a server that does not accept writes: a standby, or a former primary.
_ONLY_WRITABLE: Final = (
    "DO $$ BEGIN IF current_setting('transaction_read_only')::boolean THEN"
    " RAISE EXCEPTION 'the server is read-only' USING ERRCODE = '25006'; END IF; END $$"
)
#: Statement that ends what a cancelled `fetch` may have left: asyncpg sends no Sync after preparing
#: a statement, so that the implicit transaction, with its table locks, would stay open.
END_OF_FETCH: Final = "SELECT 1"


def begin_statements(*, writable: bool) -> str:
    """Return the statements that begin a transaction, for one message to the server.

    The isolation level is set because `check_schema` relies on it, and the database's default may
    differ.
    """
    begin = (
        "BEGIN ISOLATION LEVEL READ COMMITTED;"
        f" SET LOCAL idle_in_transaction_session_timeout = {_IDLE_MS}"
    )
    return f"{begin}; {_ONLY_WRITABLE}" if writable else begin
