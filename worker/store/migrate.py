"""Schema migrations: numbered .sql files, applied in the order of their numbers, each once.

A migration that is compatible with older workers takes the next number, and older and newer workers
run side by side. An incompatible migration starts the next thousand (1001 after 0007). After an
incompatible migration, older workers refuse to start, and their running jobs write nothing more
(`schema.check_schema`).

Each migration is one transaction, which waits for a lock only briefly and is then tried again. If a
migration waited longer for one slow reader, all statements of all workers would wait behind the
migration. A file whose first line is `-- outside a transaction` has one statement that PostgreSQL
allows only outside a transaction, such as CREATE INDEX CONCURRENTLY IF NOT EXISTS. The statement in
such a file may run more than once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
from typing import TYPE_CHECKING, Final

import asyncpg

from worker.aio.backoff import ExponentialBackoff
from worker.store.errors import DatabaseUnavailable
from worker.store.schema import Migration, known_migrations, missing_migrations, pending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.store.connection import Connection
    from worker.store.database import Database

logger = logging.getLogger(__name__)

#: Key of the advisory lock that serialises migrations: "iw-migr" in ASCII.
_LOCK_KEY = int.from_bytes(b"iw-migr", "big")
_INDEX = re.compile(
    r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\s+(\w+)", re.IGNORECASE
)

#: Query that returns true if an index exists and is invalid.
_INVALID: Final = "SELECT true FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid"

#: Timeout in seconds for all missing migrations, and for the wait while another worker migrates.
#: The timeout is longer than a job's statement timeout, because a migration may build an index over
#: all stored turns.
MIGRATE_BUDGET_S = 300.0
#: Maximum wait of a migration for one lock, in ms. The wait is short, because statements of other
#: workers wait behind the migration: one renewal of a lease may take as long, and a lease lasts
#: much longer.
_LOCK_MS = 500
#: Delays between the attempts of a migration that did not get a lock. Each delay is at least as
#: long as a wait for a lock, so that other workers can renew their leases between two attempts.
_LOCK_RETRY = ExponentialBackoff(first_s=1.0, longest_s=8.0)
#: Timeout in seconds for opening and for closing the connection of a statement outside a
#: transaction.
_CONNECT_S = 5.0


class _LockNotAvailable(Exception):
    """Raised when another transaction held a lock for longer than `_LOCK_MS`.

    `error` is the error of PostgreSQL.
    """

    def __init__(self, error: asyncpg.LockNotAvailableError) -> None:
        self.error = error
        super().__init__("a lock of a migration is held by another transaction")


async def migrate(
    database: Database,
    migrations: Sequence[Migration] | None = None,
    *,
    budget_s: float = MIGRATE_BUDGET_S,
) -> list[int]:
    """Apply the missing migrations, each in a separate transaction; return their numbers.

    Workers that start at the same time take turns, and each migration is applied by one of them.
    After a crash between two migrations, the next worker that starts applies the rest. Raises
    `SchemaTooNew` if the database has an incompatible migration that this worker does not know, and
    `MigrationChanged` if a migration was edited after the database applied it; then nothing was
    changed. Raises `DatabaseUnavailable` if `budget_s` seconds are spent, and the errors of
    `Database.run`; then the migrations before the failed one stay applied.
    """
    migrations = known_migrations() if migrations is None else migrations
    loop = asyncio.get_running_loop()
    until = loop.time() + budget_s
    applied: list[int] = []
    delays = _LOCK_RETRY.delays()
    complete = functools.partial(_is_complete, migrations=migrations)
    step = functools.partial(_apply_next, database=database, migrations=migrations)
    left_s = budget_s
    # Take no lock if no migration is missing, so that many workers can start at once.
    while not await database.run("migrate", complete, budget_s=left_s, writable=True):
        try:
            version = await database.run("migrate", step, budget_s=until - loop.time())
        except _LockNotAvailable as locked:
            delay_s = next(delays)
            # Give up if too little time is left for another attempt.
            if loop.time() + delay_s + 2 * _LOCK_MS / 1000 >= until:
                raise DatabaseUnavailable("migrate", locked.error, database.url) from None
            logger.info(
                "a migration did not get its locks and is tried again",
                extra={"event": "migration_waits", "seconds": round(delay_s, 1)},
            )
            await asyncio.sleep(delay_s)
        else:
            if version is not None:
                applied.append(version)
            delays = _LOCK_RETRY.delays()
        left_s = until - loop.time()
    return applied


async def _is_complete(connection: Connection, *, migrations: Sequence[Migration]) -> bool:
    return await pending(connection, migrations) == []


async def _apply_next(
    connection: Connection, *, database: Database, migrations: Sequence[Migration]
) -> int | None:
    """Apply the first missing migration; return its number, or None if no migration is missing."""
    await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_MS}")
    try:
        # The advisory lock belongs to the transaction, because a lock of the session is lost behind
        # PgBouncer.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " version integer PRIMARY KEY,"
            " applied_at timestamptz NOT NULL DEFAULT now(),"
            " checksum text NOT NULL)"
        )
        missing = await missing_migrations(connection, migrations)
        if not missing:
            return None
        migration = missing[0]
        if migration.is_outside_transaction:
            # The transaction only holds the advisory lock while the statement runs.
            idle_ms = round(MIGRATE_BUDGET_S * 1000)
            await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = {idle_ms}")
            await _execute_outside(database, migration)
        else:
            await connection.execute(migration.sql, timeout=MIGRATE_BUDGET_S)
        await connection.execute(
            "INSERT INTO schema_migrations (version, checksum) VALUES ($1, $2)",
            migration.version,
            migration.checksum,
        )
    except asyncpg.LockNotAvailableError as error:
        raise _LockNotAvailable(error) from None
    return migration.version


async def _execute_outside(database: Database, migration: Migration) -> None:
    """Execute the statement of a migration on a separate connection.

    The statement takes no lock for which other workers would have to wait. If an interrupted
    attempt has left its index invalid, the index is dropped first, because IF NOT EXISTS would keep
    the invalid index.
    """
    connection = await database.open_connection(timeout_s=_CONNECT_S)
    try:
        for name in _INDEX.findall(migration.sql):
            if await connection.fetchval(_INVALID, name):
                drop = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
                await connection.execute(drop, timeout=MIGRATE_BUDGET_S)
        await connection.execute(migration.sql, timeout=MIGRATE_BUDGET_S)
    finally:
        # If the budget was spent, asyncpg cancels the statement before it closes the connection.
        with contextlib.suppress(Exception):
            await connection.close(timeout=_CONNECT_S)
