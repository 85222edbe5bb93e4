"""The schema that this worker knows: its migrations, and how the database's schema differs."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.store.connection import Connection

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_OUTSIDE: Final = "-- outside a transaction"


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

    @property
    def is_outside_transaction(self) -> bool:
        """True if the first line of the SQL asks to run its statement outside a transaction."""
        return self.sql.partition("\n")[0].strip() == _OUTSIDE


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


async def pending(
    connection: Connection, migrations: Sequence[Migration] | None = None
) -> list[int] | None:
    """Return the migration numbers that `migrate` would apply; None if the schema does not exist.

    The function changes nothing, and raises `SchemaTooNew` and `MigrationChanged` in the same cases
    as `migrate`.
    """
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return None
    migrations = known_migrations() if migrations is None else migrations
    return [migration.version for migration in await missing_migrations(connection, migrations)]


async def missing_migrations(
    connection: Connection, migrations: Sequence[Migration]
) -> list[Migration]:
    """Return those of `migrations` that the database lacks. The table of migrations must exist.

    Raises `SchemaTooNew` and `MigrationChanged` in the same cases as `migrate`.
    """
    rows = await connection.fetch("SELECT version, checksum FROM schema_migrations")
    applied: dict[int, str] = {row["version"]: row["checksum"] for row in rows}
    _check(applied, migrations)
    return [migration for migration in migrations if migration.version not in applied]


async def check_schema(connection: Connection) -> None:
    """Raise `SchemaTooNew` or `SchemaTooOld` if a job of this worker cannot use the schema.

    Call this function as the last step of a transaction that has written to a table; otherwise the
    result is not reliable. A concurrent migration waits for the tables that the caller's
    transaction has locked. Therefore the migration has either committed before this check, which
    then detects the migration, or takes effect only after the caller's transaction has committed.
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
