"""The access of job processes to the database: a separate role, and a pass for one interview.

A job's process handles the media of strangers, so it has only the privileges `privileges.OF_JOBS`.
A job can read plans, names and words only with SQL functions that require the pass of an interview.
The main process computes the pass from a key in a table that only the owner of the schema can read.
The pass is a parameter of the statement, so it costs no round trip and works behind PgBouncer.

The role is made once per database and is shared by all workers. The random password of the role is
stored in the same table, and is given to a job at its launch, in no environment variable and on no
command line.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import asyncpg

from worker.store.connection import APPLICATION, connect
from worker.store.errors import CONNECTION_FAILURES, DatabaseOperationFailed, is_transient, kind_of
from worker.store.privileges import OF_JOBS, lacking, too_much
from worker.store.role_sql import SETTINGS, quoted, scram_verifier, settings_statements
from worker.store.url import PASS, DatabaseUrl

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.store.connection import Connection, Row
    from worker.store.database import Database

#: Key of the advisory lock under which one worker at a time makes the role: "iw-role" in ASCII.
_LOCK_KEY: Final = int.from_bytes(b"iw-role", "big")
_PREFIX: Final = "interview_jobs_"
#: Maximum seconds for one operation on the role, and for the trial connection with it.
_BUDGET_S: Final = 5.0
#: SQLSTATEs with which a server refuses a password or an unknown role.
_WRONG_PASSWORD: Final = ("28P01", "28000")
#: Text in place of a pass for a job without an interview. The text opens no interview.
_NO_PASS: Final = "none"  # noqa: S105  # no password
_STORED: Final = "SELECT role_name, password, pass_key FROM job_access WHERE database = $1"


class NoJobRole(Exception):
    """Raised if jobs cannot have a separate database role.

    The message gives the reason in one line.

    `may_pass` is True if the cause may be temporary, such as a server without a free connection.
    """

    def __init__(self, why: str, *, may_pass: bool = False) -> None:
        self.may_pass = may_pass
        super().__init__(why)


@dataclass(frozen=True, kw_only=True)
class JobAccess:
    """How job processes connect to the database: with a separate role, and a pass."""

    role: str
    #: Actions that the role may do although no job needs them, each as words that follow "may".
    beyond: tuple[str, ...] = ()
    _url: DatabaseUrl = field(repr=False)
    _key: bytes = field(repr=False)

    def url_for(self, interview_id: str | None, room: str) -> str:
        """Return the database URL of a job in `room` that holds this interview, with its pass."""
        proof = _NO_PASS if interview_id is None else pass_for(self._key, interview_id, room)
        url = str(self._url)
        return f"{url}{'&' if self._url.options else '?'}{PASS}={proof}"


def pass_for(key: bytes, interview_id: str, room: str) -> str:
    """Return the pass of an interview, as the SQL function `has_pass` computes it.

    The pass is valid only if `room` is the interview's room, because a job under the control of an
    attacker could dispatch a job for any interview into its own room.
    """
    names = hashlib.sha256(interview_id.encode()).digest() + hashlib.sha256(room.encode()).digest()
    return hashlib.sha256(key + hashlib.sha256(key + names).digest()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Role, database and schema of the worker's own connection."""

    role: str
    database: str
    schema: str


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """The row of the table `job_access`."""

    role: str
    password: str = field(repr=False)
    key: bytes = field(repr=False)


async def prepare_job_access(database: Database, url: str, *, job_url: str = "") -> JobAccess:
    """Make the role of the jobs if needed, grant its privileges, and connect with it.

    `url` is the database URL of the worker. `job_url` is the database URL of the jobs if an
    operator made their role. Raises NoJobRole if the jobs cannot have a separate role, and
    DatabaseUnavailable if the database fails. All migrations of the schema must be applied.
    """
    try:
        place = await database.run("job_role", _place, budget_s=_BUDGET_S)
        stored = await database.run(
            "job_role", lambda connection: _stored(connection, place), budget_s=_BUDGET_S
        )
        suffix = _suffix(DatabaseUrl.of(url), place)
        if job_url:
            found = DatabaseUrl.of(job_url)
            role = _role_of(found, suffix)
        else:
            role = stored.role
            found = _with_role(DatabaseUrl.of(url), stored, suffix)
            await _make_role(database, stored, place)
        if role == place.role:
            raise NoJobRole(f"INTERVIEW_DATABASE_JOB_URL names the role of the worker ({role})")
        await database.run(
            "job_role", lambda connection: _grant(connection, role, place), budget_s=_BUDGET_S
        )
    except DatabaseOperationFailed as error:
        raise NoJobRole(f"the worker may not make one ({kind_of(error.cause)})") from None
    try:
        me, beyond = await try_role(found)
    except NoJobRole as refused:
        if job_url or not await _set_password(database, stored, refused):
            raise
        me, beyond = await try_role(found)
    if me != role:
        raise NoJobRole(f"the URL of the jobs connects as {me}, not as {role}")
    return JobAccess(role=role, beyond=tuple(beyond), _url=found, _key=stored.key)


async def _place(connection: Connection) -> _Place:
    row = await connection.fetchrow(
        "SELECT current_user::text AS role, current_database()::text AS database,"
        " current_schema()::text AS schema"
    )
    assert row is not None  # noqa: S101  # a query without FROM returns one row
    return _Place(role=row["role"], database=row["database"], schema=row["schema"])


async def _stored(connection: Connection, place: _Place) -> _Stored:
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


def _stored_of(row: Row) -> _Stored:
    return _Stored(role=row["role_name"], password=row["password"], key=bytes(row["pass_key"]))


async def _make_role(database: Database, stored: _Stored, place: _Place) -> None:
    """Create the role unless it exists, and set the session settings that it needs.

    The server gets a verifier instead of the password, so that no log of statements contains the
    password. For hosting companies that refuse a verifier, the password itself is sent.
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
        await database.run("job_role", lambda c: make(c, scram_verifier), budget_s=_BUDGET_S)
    except DatabaseOperationFailed as error:
        if isinstance(error.cause, asyncpg.InsufficientPrivilegeError):
            raise
        await database.run("job_role", lambda c: make(c, str), budget_s=_BUDGET_S)


async def _exists(connection: Connection, role: str) -> bool:
    return bool(await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role))


async def _grant(connection: Connection, role: str, place: _Place) -> None:
    """Grant the privileges that the role lacks.

    Normally the role lacks no privilege, because an earlier start has granted them.
    """
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


def _role_of(url: DatabaseUrl, suffix: str) -> str:
    user = url.user or url.options.get("user")
    if not user:
        raise NoJobRole("INTERVIEW_DATABASE_JOB_URL names no user")
    return user.removesuffix(suffix)


def _suffix(url: DatabaseUrl, place: _Place) -> str:
    """Return the text that follows the role's name in the user name of the worker's URL.

    Supabase's pooler requires `.project` after the name, and an Azure single server `@server`.
    """
    user = url.user or url.options.get("user") or ""
    rest = user[len(place.role) :] if user.startswith(place.role) else ""
    return rest if rest[:1] in (".", "@") else ""


def _with_role(url: DatabaseUrl, stored: _Stored, suffix: str) -> DatabaseUrl:
    options = {
        name: value
        for name, value in url.options.items()
        # Leave out the worker's certificate, with which jobs would log in as the worker, and the
        # options that name the worker's role or its secrets.
        if name not in ("user", "password", "passfile", "sslcert", "sslkey", "sslpassword", "role")
    }
    return replace(
        url, user=f"{stored.role}{suffix}", password=stored.password, options=options, own_pass=None
    )


async def _set_password(database: Database, stored: _Stored, refused: NoJobRole) -> bool:
    """Set the stored password if the server has another one, as after a restore of the database.

    Return False if the password is not the problem, or if the worker may not set it.
    """
    if getattr(refused.__cause__, "sqlstate", None) not in _WRONG_PASSWORD:
        return False
    verifier = scram_verifier(stored.password)
    statement = f"ALTER ROLE {quoted(stored.role)} LOGIN PASSWORD '{verifier}'"
    try:
        await database.run(
            "job_role", lambda connection: connection.execute(statement), budget_s=_BUDGET_S
        )
    except DatabaseOperationFailed:
        return False
    return True


async def made_role(connection: Connection, url: str) -> DatabaseUrl | None:
    """Return the URL of the role that a worker has made for the jobs; None if there is none.

    `url` is the URL of the worker. Raises the errors of asyncpg.
    """
    if await connection.fetchval("SELECT to_regclass('job_access')") is None:
        return None
    place = await _place(connection)
    row = await connection.fetchrow(_STORED, place.database)
    if row is None or not await _exists(connection, row["role_name"]):
        return None
    parts = DatabaseUrl.of(url)
    return _with_role(parts, _stored_of(row), _suffix(parts, place))


async def try_role(url: DatabaseUrl) -> tuple[str, list[str]]:
    """Connect as a job does; return the role, and its privileges beyond `OF_JOBS`.

    Raises NoJobRole if the role cannot connect, or lacks a privilege.
    """
    user = url.user or "of PGUSER"
    try:
        connection = await connect(str(url), timeout_s=_BUDGET_S, application=APPLICATION)
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
            f"role {user} cannot be tried ({kind_of(error)})", may_pass=is_transient(error)
        ) from error
    finally:
        connection.terminate()
