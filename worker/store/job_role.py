"""The role of the jobs in the database: its row in `job_access`, its privileges and its password.

The role is made once per database and is shared by all workers. Its password is random, is stored
in the table `job_access`, and is passed to each job when the job starts, but never in an
environment variable or on a command line.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import asyncpg

from worker.store.connection import APPLICATION, connect
from worker.store.errors import CONNECTION_FAILURES, DatabaseOperationFailed, is_transient, kind_of
from worker.store.privileges import OF_JOBS, lacking, too_much
from worker.store.role_sql import SETTINGS, quoted, scram_verifier, settings_statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.store.connection import Connection, Row
    from worker.store.database import Database
    from worker.store.url import DatabaseUrl

#: Key of the advisory lock under which one worker at a time makes the role: "iw-role" in ASCII.
_LOCK_KEY: Final = int.from_bytes(b"iw-role", "big")
_PREFIX: Final = "interview_jobs_"
#: Maximum seconds for one operation on the role, and for the trial connection with it.
BUDGET_S: Final = 5.0
#: SQLSTATEs with which a server refuses a password or an unknown role.
_WRONG_PASSWORD: Final = ("28P01", "28000")
_STORED: Final = "SELECT role_name, password, pass_key FROM job_access WHERE database = $1"


class NoJobRole(Exception):
    """Raised if jobs cannot have a role of their own. The message says why, in one line.

    `may_pass` is True if a test connection with the role failed for a temporary reason, such as a
    server without a free connection.
    """

    def __init__(self, why: str, *, may_pass: bool = False) -> None:
        self.may_pass = may_pass
        super().__init__(why)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Role, database and schema of the worker's own connection."""

    role: str
    database: str
    schema: str


@dataclass(frozen=True, kw_only=True)
class StoredRole:
    """The row of the table `job_access`."""

    role: str
    password: str = field(repr=False)
    key: bytes = field(repr=False)


async def place_of(connection: Connection) -> Place:
    """Return role, database and schema of a connection of the worker."""
    row = await connection.fetchrow(
        "SELECT current_user::text AS role, current_database()::text AS database,"
        " current_schema()::text AS schema"
    )
    assert row is not None  # noqa: S101  # a query without FROM returns one row
    return Place(role=row["role"], database=row["database"], schema=row["schema"])


async def stored_role(connection: Connection, place: Place) -> StoredRole:
    """Return this database's row of the table `job_access`; write the row if there is none."""
    await connection.execute(
        "INSERT INTO job_access (database, pass_key, role_name, password)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (database) DO NOTHING",
        *(place.database, secrets.token_bytes(32), f"{_PREFIX}{secrets.token_hex(6)}"),
        secrets.token_urlsafe(24),
    )
    row = await connection.fetchrow(_STORED, place.database)
    if row is None:
        raise NoJobRole(f"role {place.role} does not own the table job_access")
    return _stored_of(row)


def _stored_of(row: Row) -> StoredRole:
    return StoredRole(role=row["role_name"], password=row["password"], key=bytes(row["pass_key"]))


async def existing_role(connection: Connection, place: Place) -> StoredRole | None:
    """Return this database's row of `job_access` if its role exists on the server, else None."""
    row = await connection.fetchrow(_STORED, place.database)
    if row is None or not await _exists(connection, row["role_name"]):
        return None
    return _stored_of(row)


async def make_role(database: Database, stored: StoredRole, place: Place) -> None:
    """Create the role unless it exists, and set the session settings that the role must have.

    The server gets a SCRAM verifier instead of the password, so that a log of statements never
    contains the password. If the server refuses the verifier, as at some hosting companies, the
    server gets the password.
    """

    async def make(connection: Connection, secret_of: Callable[[str], str]) -> None:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        if not await _exists(connection, stored.role):
            secret = secret_of(stored.password)
            await connection.execute(
                f"CREATE ROLE {quoted(stored.role)} LOGIN NOINHERIT PASSWORD '{secret}'"
            )
        found = await connection.fetch(SETTINGS, stored.role)
        for statement in settings_statements(
            [row["setting"] for row in found],
            role=stored.role,
            database=place.database,
            schema=place.schema,
        ):
            await connection.execute(statement)

    try:
        await database.run("job_role", lambda c: make(c, scram_verifier), budget_s=BUDGET_S)
    except DatabaseOperationFailed as error:
        if isinstance(error.cause, asyncpg.InsufficientPrivilegeError):
            raise
        await database.run("job_role", lambda c: make(c, str), budget_s=BUDGET_S)


async def _exists(connection: Connection, role: str) -> bool:
    return bool(await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role))


async def grant_missing(connection: Connection, role: str, place: Place) -> None:
    """Grant the privileges that the role lacks; do nothing if the role lacks none, as is usual."""
    if not await _exists(connection, role):
        raise NoJobRole(f"the role {role} does not exist")
    missing = await lacking(connection, role, OF_JOBS)
    statements = [f"{each.grant} {quoted(role)}" for each in missing]
    may_connect, may_use = (
        await connection.fetchval(
            "SELECT has_database_privilege($1::name, $2::text, 'CONNECT')", role, place.database
        ),
        await connection.fetchval(
            "SELECT has_schema_privilege($1::name, $2::text, 'USAGE')", role, place.schema
        ),
    )
    if not may_connect:
        statements.append(f"GRANT CONNECT ON DATABASE {quoted(place.database)} TO {quoted(role)}")
    if not may_use:
        statements.append(f"GRANT USAGE ON SCHEMA {quoted(place.schema)} TO {quoted(role)}")
    if not statements:
        return
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
    for statement in statements:
        await connection.execute(statement)


async def restore_password(database: Database, stored: StoredRole, refused: NoJobRole) -> bool:
    """Set the role's password again if the server refused it, for example after a restore.

    Return False if the server refused the role for another reason, or if the worker may not set the
    password.
    """
    if getattr(refused.__cause__, "sqlstate", None) not in _WRONG_PASSWORD:
        return False
    verifier = scram_verifier(stored.password)
    statement = f"ALTER ROLE {quoted(stored.role)} LOGIN PASSWORD '{verifier}'"
    try:
        await database.run(
            "job_role", lambda connection: connection.execute(statement), budget_s=BUDGET_S
        )
    except DatabaseOperationFailed:
        return False
    return True


async def try_role(url: DatabaseUrl) -> tuple[str, list[str]]:
    """Connect as a job does; return the role, and the role's privileges beyond `OF_JOBS`.

    Raises NoJobRole if the role cannot connect, or lacks a privilege.
    """
    user = url.user or "of PGUSER"
    try:
        connection = await connect(str(url), timeout_s=BUDGET_S, application=APPLICATION)
    except CONNECTION_FAILURES as error:
        raise NoJobRole(
            f"role {user} cannot connect ({kind_of(error)})", may_pass=is_transient(error)
        ) from error
    try:
        role = str(await connection.fetchval("SELECT current_user::text"))
        if missing := await lacking(connection, role, OF_JOBS):
            raise NoJobRole(f"role {role} lacks {', '.join(map(str, missing))}")
        return role, await too_much(connection, role)
    except CONNECTION_FAILURES as error:
        raise NoJobRole(
            f"the check of role {user} failed ({kind_of(error)})", may_pass=is_transient(error)
        ) from error
    finally:
        connection.terminate()
