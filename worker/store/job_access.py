"""The access of job processes to the database: a separate role, and a secret pass per interview.

A job's process handles media from untrusted participants, so its database role has only the
privileges `privileges.OF_JOBS`. The role can access plans, names and transcripts only through SQL
functions that require the pass of the interview. The main process computes the pass with a secret
key, which is in a table that only the owner of the schema may read. A pass is a parameter of the
statement, so it costs no round trip and works behind PgBouncer. The module `job_role` creates the
role.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from worker.store.errors import DatabaseOperationFailed, kind_of
from worker.store.job_role import (
    BUDGET_S,
    NoJobRole,
    Place,
    StoredRole,
    existing_role,
    grant_missing,
    make_role,
    place_of,
    restore_password,
    stored_role,
    try_role,
)
from worker.store.url import PASS, DatabaseUrl

if TYPE_CHECKING:
    from worker.store.connection import Connection
    from worker.store.database import Database

#: Text in place of a pass, for a job without an interview: no interview has this pass.
_NO_PASS: Final = "none"  # noqa: S105  # no password


@dataclass(frozen=True, kw_only=True)
class JobAccess:
    """How job processes connect to the database: with a separate role, and a pass per interview."""

    role: str
    #: Actions that the role may do although no job needs them, each as words that follow "may".
    beyond: tuple[str, ...] = ()
    _url: DatabaseUrl = field(repr=False)
    _key: bytes = field(repr=False)

    def url_for(self, interview_id: str | None, room: str) -> str:
        """Return the database URL for a job in `room`, with the pass of the interview."""
        proof = _NO_PASS if interview_id is None else pass_for(self._key, interview_id, room)
        url = str(self._url)
        return f"{url}{'&' if self._url.options else '?'}{PASS}={proof}"


def pass_for(key: bytes, interview_id: str, room: str) -> str:
    """Return the pass of an interview, as the SQL function `has_pass` computes it.

    The pass is valid only if `room` is the interview's room. Otherwise an attacker who controls a
    job could dispatch a job for any interview into the attacker's room, and use the pass there.
    """
    names = hashlib.sha256(interview_id.encode()).digest() + hashlib.sha256(room.encode()).digest()
    return hashlib.sha256(key + hashlib.sha256(key + names).digest()).hexdigest()


async def prepare_job_access(database: Database, url: str, *, job_url: str = "") -> JobAccess:
    """Make the jobs' role if needed, grant its privileges, and test a connection with the role.

    `url` is the database URL of the worker. `job_url` is the database URL of the jobs if an
    operator created the role of the jobs. Raises NoJobRole if the jobs cannot have a separate role,
    and DatabaseUnavailable if the database fails. All migrations of the schema must be applied.
    """
    try:
        place = await database.run("job_role", place_of, budget_s=BUDGET_S)
        stored = await database.run(
            "job_role", lambda connection: stored_role(connection, place), budget_s=BUDGET_S
        )
        suffix = _suffix(DatabaseUrl.of(url), place)
        if job_url:
            found = DatabaseUrl.of(job_url)
            role = _role_of(found, suffix)
        else:
            role = stored.role
            found = _with_role(DatabaseUrl.of(url), stored, suffix)
            await make_role(database, stored, place)
        if role == place.role:
            raise NoJobRole(f"INTERVIEW_DATABASE_JOB_URL names the role of the worker ({role})")
        await database.run(
            "job_role", lambda connection: grant_missing(connection, role, place), budget_s=BUDGET_S
        )
    except DatabaseOperationFailed as error:
        raise NoJobRole(f"the worker may not create a job role ({kind_of(error.cause)})") from None
    try:
        me, beyond = await try_role(found)
    except NoJobRole as refused:
        if job_url or not await restore_password(database, stored, refused):
            raise
        me, beyond = await try_role(found)
    if me != role:
        raise NoJobRole(f"the URL of the jobs connects as {me}, not as {role}")
    return JobAccess(role=role, beyond=tuple(beyond), _url=found, _key=stored.key)


def _role_of(url: DatabaseUrl, suffix: str) -> str:
    user = url.user or url.options.get("user")
    if not user:
        raise NoJobRole("INTERVIEW_DATABASE_JOB_URL names no user")
    return user.removesuffix(suffix)


def _suffix(url: DatabaseUrl, place: Place) -> str:
    """Return the text that follows the role's name in the user name of the worker's URL.

    Supabase's pooler requires `.project` after the user name, and an Azure single server requires
    `@server` after it.
    """
    user = url.user or url.options.get("user") or ""
    rest = user[len(place.role) :] if user.startswith(place.role) else ""
    return rest if rest[:1] in (".", "@") else ""


def _with_role(url: DatabaseUrl, stored: StoredRole, suffix: str) -> DatabaseUrl:
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


async def made_role(connection: Connection, url: str) -> DatabaseUrl | None:
    """Return the URL of the role that a worker has made for the jobs; None if there is none.

    `url` is the URL of the worker. Raises the errors of asyncpg.
    """
    if await connection.fetchval("SELECT to_regclass('job_access')") is None:
        return None
    place = await place_of(connection)
    stored = await existing_role(connection, place)
    if stored is None:
        return None
    parts = DatabaseUrl.of(url)
    return _with_role(parts, stored, _suffix(parts, place))
