"""Schema migrations: numbered .sql files, applied in the order of their numbers, each once.

A migration that is compatible with older workers takes the next number, and older and newer workers
run side by side. An incompatible migration starts the next thousand (1001 after 0007). After an
incompatible migration, older workers refuse to start, and their running jobs write nothing more
(`check_schema`).
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.store.connection import Connection

#: Key of the advisory lock that serialises migrations: "iw-migr" in ASCII.
_LOCK_KEY = int.from_bytes(b"iw-migr", "big")
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


#: Timeout in seconds for a migration, and for the wait while another worker migrates. The timeout
#: is longer than a job's statement timeout, because a migration may build an index over all stored
#: turns.
MIGRATE_BUDGET_S = 300.0


class SchemaDiffers(Exception):
    """Raised when this worker cannot use the database's schema.

    `found` is the number of the database's newest migration (0 without migrations). `known` is the
    number of the newest migration that this worker has.
    """

    def __init__(self, found: int, known: int, problem: str) -> None:
        self.found = found
        self.known = known
        super().__init__(f"the database's schema (migration {found:04}) is {problem}")


class SchemaTooNew(SchemaDiffers):
    """Raised when a newer worker has applied a migration that is incompatible with this worker."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            found, known, f"too new for this worker (knows {known:04}): upgrade the worker"
        )


class SchemaTooOld(SchemaDiffers):
    """Raised when the database lacks migrations that the worker's main process has yet to apply."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            found,
            known,
            f"too old for this worker (needs {known:04}): the worker has not migrated it yet",
        )


class MigrationChanged(Exception):
    """Raised when a migration was edited after the database applied it.

    `version` is the number of the edited migration.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(
            f"migration {version:04} differs from the one the database applied: "
            "restore it and add a new migration instead"
        )


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One numbered migration of the schema."""

    version: int
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the SQL, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@functools.cache
def known_migrations() -> tuple[Migration, ...]:
    """Return the migrations of this package, ordered by number."""
    folder = files("worker.store") / "migrations"
    return tuple(
        sorted(
            (
                Migration(version=int(match[1]), sql=entry.read_text(encoding="utf-8"))
                for entry in folder.iterdir()
                if (match := _FILE_NAME.fullmatch(entry.name))
            ),
            key=lambda migration: migration.version,
        )
    )


async def migrate(
    connection: Connection, migrations: Sequence[Migration] | None = None
) -> list[int]:
    """Apply the missing migrations in one transaction; return their numbers.

    Workers that start at the same time wait for each other, for at most `MIGRATE_BUDGET_S` seconds.
    Raises `SchemaTooNew` if the database has an incompatible migration that this worker does not
    know, and `MigrationChanged` if a migration was edited after the database applied it. Either
    error leaves the database unchanged.
    """
    migrations = known_migrations() if migrations is None else migrations
    async with connection.transaction():
        # The advisory lock belongs to the transaction, because a lock of the session is lost behind
        # PgBouncer.
        await connection.execute(
            "SELECT pg_advisory_xact_lock($1)", _LOCK_KEY, timeout=MIGRATE_BUDGET_S
        )
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " version integer PRIMARY KEY,"
            " applied_at timestamptz NOT NULL DEFAULT now(),"
            " checksum text NOT NULL)"
        )
        missing = await _missing(connection, migrations)
        for migration in missing:
            await connection.execute(migration.sql, timeout=MIGRATE_BUDGET_S)
            await connection.execute(
                "INSERT INTO schema_migrations (version, checksum) VALUES ($1, $2)",
                migration.version,
                migration.checksum,
            )
    return [migration.version for migration in missing]


async def pending(connection: Connection) -> list[int] | None:
    """Return the migration numbers that `migrate` would apply; None if the schema does not exist.

    The function changes nothing, and raises `SchemaTooNew` and `MigrationChanged` in the same cases
    as `migrate`.
    """
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return None
    missing = await _missing(connection, known_migrations())
    return [migration.version for migration in missing]


async def _missing(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    rows = await connection.fetch("SELECT version, checksum FROM schema_migrations")
    applied: dict[int, str] = {row["version"]: row["checksum"] for row in rows}
    _check(applied, migrations)
    return [migration for migration in migrations if migration.version not in applied]


async def check_schema(connection: Connection) -> None:
    """Raise `SchemaTooNew` or `SchemaTooOld` if a job of this worker cannot use the schema.

    The result is reliable only in the last step of a transaction that has written. A migration must
    wait for the tables that such a transaction has locked. Therefore either a concurrent migration
    has committed before this check, and the check detects the migration, or the migration takes
    effect only after this transaction has committed.
    """
    try:
        found = await connection.fetchval(
            "SELECT version FROM schema_migrations ORDER BY version DESC LIMIT 1"
        )
    except asyncpg.UndefinedTableError:
        found = None
    known = known_migrations()[-1].version
    found = found or 0
    _refuse_newer(found, known)
    if found < known:
        raise SchemaTooOld(found, known)


def _check(applied: dict[int, str], migrations: Sequence[Migration]) -> None:
    known = max((migration.version for migration in migrations), default=0)
    _refuse_newer(max(applied, default=0), known)
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationChanged(migration.version)


def generation(version: int) -> int:
    """Return the thousands of a migration number. Equal thousands mean compatible migrations."""
    return version // 1000


def _refuse_newer(found: int, known: int) -> None:
    if generation(found) > generation(known):
        raise SchemaTooNew(found, known)
