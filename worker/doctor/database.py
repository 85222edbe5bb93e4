"""Checks of PostgreSQL: the connection, the schema, the privileges, the connection limit."""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING, Any, Final

from worker.doctor.finding import Finding, fine, warning, wrong
from worker.store.embedded.layout import EmbeddedPostgresError
from worker.store.errors import CONNECTION_FAILURES, is_refusal, kind_of
from worker.store.privileges import lacking, of_workers
from worker.store.schema import MigrationChanged, SchemaTooNew, known_migrations, pending
from worker.store.url import DatabaseUrlInvalid, check_url, mask_url

if TYPE_CHECKING:
    from worker.doctor.context import CheckContext

_ROUND_TRIPS: Final = 5
#: Round trip in milliseconds above which the check warns, because a candidate may notice a delay.
#: To store a turn takes several round trips. The next turn waits until the turn is stored, but at
#: most `recorder.ACKNOWLEDGED_WITHIN_S` (200 ms).
_SLOW_MS: Final = 50.0


async def check_server(visit: CheckContext) -> Finding:
    """Check the connection, the version, the round trip, and that the server accepts writes."""
    settings = visit.settings
    url = settings.database_url.get_secret_value()
    if not url and not settings.embedded:
        return wrong(
            "no database is configured",
            "set DATABASE_URL, or INTERVIEW_EMBEDDED=1 to run one on this machine",
        )
    where = mask_url(url) if url else f"the embedded server in {settings.data_dir}"
    try:
        if url:
            check_url(url)
        async with visit.connection() as connection:
            return await _look_inside(connection, where)
    except DatabaseUrlInvalid as error:
        return wrong(str(error), "set DATABASE_URL to a URL of that form")
    except EmbeddedPostgresError as error:
        return wrong(str(error), "or set DATABASE_URL to your own PostgreSQL server")
    except CONNECTION_FAILURES as error:
        advice = (
            "check the user, the password and the database's name in DATABASE_URL"
            if is_refusal(error)
            else "check DATABASE_URL, that the server runs, and the firewall"
        )
        return wrong(f"{where}: {kind_of(error)}", advice)


async def _look_inside(connection: Any, where: str) -> Finding:
    version = str(await connection.fetchval("SHOW server_version")).partition(" ")[0]
    reads_only = await connection.fetchval("SHOW transaction_read_only") == "on"
    median_ms = round(statistics.median([await _round_trip_ms(connection) for _ in _turns()]), 2)
    facts = {"version": version, "round_trip_ms": median_ms}
    found = f"PostgreSQL {version}, {median_ms:g} ms round trip, {where}"
    if reads_only:
        return wrong(
            f"{found}: the server is read-only",
            "point DATABASE_URL at the primary (a standby, or default_transaction_read_only)",
            **facts,
        )
    if median_ms > _SLOW_MS:
        return warning(found, "run the worker closer to its database", **facts)
    return fine(found, **facts)


def _turns() -> range:
    return range(_ROUND_TRIPS)


async def _round_trip_ms(connection: Any) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await connection.execute("SELECT 1")
    return (loop.time() - began) * 1000


async def check_schema_version(visit: CheckContext) -> Finding:
    """Check that no migration is pending, unknown to this worker, or changed since it was applied.

    A schema that does not exist yet is fine, because the first worker creates it.
    """
    known = known_migrations()[-1].version
    try:
        async with visit.connection() as connection:
            missing = await pending(connection)
    except SchemaTooNew as error:
        return wrong(str(error), "upgrade the worker", newest=error.found, known=known)
    except MigrationChanged as error:
        what, _, advice = str(error).partition(": ")
        return wrong(what, advice)
    except CONNECTION_FAILURES as error:
        return _refused(error)
    if missing is None:
        return fine("no schema yet: the first worker that starts creates it", known=known)
    if missing:
        listed = ", ".join(f"{version:04}" for version in missing)
        return warning(
            f"behind: migrations {listed} are pending",
            "the next worker that starts applies them; if one begins a new thousand, "
            "stop old workers first",
            missing=missing,
            known=known,
        )
    return fine(f"up to date (migration {known:04})", known=known)


async def check_privileges(visit: CheckContext) -> Finding:
    """Check the privileges on the tables, and the CREATE privilege if migrations are pending."""
    try:
        async with visit.connection() as connection:
            role = await connection.fetchval("SELECT current_user::text")
            missing = await _missing(connection, role)
    except CONNECTION_FAILURES as error:
        return _refused(error)
    if missing:
        return wrong(
            f"role {role} lacks {', '.join(missing)}",
            f"GRANT it to {role}, or make it the owner of the schema and its tables",
            lacking=missing,
        )
    return fine(f"role {role} has all privileges that the worker needs", role=role)


async def _missing(connection: Any, role: str) -> list[str]:
    missing = [str(each) for each in await lacking(connection, role, of_workers())]
    if "SELECT on schema_migrations" in missing:
        return missing
    may_create = await connection.fetchval(
        "SELECT current_schema() IS NOT NULL AND has_schema_privilege(current_schema(), 'CREATE')"
    )
    return missing if may_create or await _is_complete(connection) else ["CREATE on the schema"]


async def _is_complete(connection: Any) -> bool:
    """Return True if no migration is pending."""
    try:
        return await pending(connection) == []
    except (SchemaTooNew, MigrationChanged):
        return True  # the worker applies no migration in these two cases


async def check_connections(visit: CheckContext) -> Finding:
    """Compare the connection limit of the server with the connections that all pools may open."""
    try:
        async with visit.connection() as connection:
            row = await connection.fetchrow(
                "SELECT current_setting('max_connections')::int AS most,"
                " current_setting('superuser_reserved_connections')::int AS reserved,"
                " (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS of_role,"
                " (SELECT datconnlimit FROM pg_database WHERE datname = current_database())"
                " AS of_database"
            )
    except CONNECTION_FAILURES as error:
        return _refused(error)
    limits = [row["most"] - row["reserved"]]
    limits += [limit for limit in (row["of_role"], row["of_database"]) if limit >= 0]
    settings = visit.settings
    return judge_connections(
        min(limits),
        processes=settings.slots + 1,
        pool=settings.database_pool_size,
        overflow=settings.database_pool_overflow,
    )


def judge_connections(allowed: int, *, processes: int, pool: int, overflow: int) -> Finding:
    """Judge a connection limit. Each job process and the main process have their own pool."""
    most = processes * (pool + overflow)
    facts = {"allowed": allowed, "processes": processes, "most": most}
    found = (
        f"{allowed} connections allowed; {processes - 1} slots may open {most} "
        f"({pool}+{overflow} each)"
    )
    advice = (
        "raise max_connections, put PgBouncer in between, or lower "
        "INTERVIEW_DATABASE_POOL_OVERFLOW, INTERVIEW_DATABASE_POOL_SIZE or INTERVIEW_SLOTS"
    )
    if allowed < processes:
        return wrong(found, advice, **facts)
    if allowed < most:
        return warning(found, advice, **facts)
    return fine(found, **facts)


def _refused(error: BaseException) -> Finding:
    return wrong(f"the database refused: {kind_of(error)}", "check the server's log")
