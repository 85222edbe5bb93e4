"""Check of the database role of the job processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.doctor.finding import Finding, fine, warning
from worker.store.errors import CONNECTION_FAILURES, kind_of
from worker.store.job_access import made_role
from worker.store.job_role import NoJobRole, try_role
from worker.store.tls import with_tls
from worker.store.url import DatabaseUrl

if TYPE_CHECKING:
    from worker.doctor.context import CheckContext

_ADVICE: Final = (
    "give the worker's role CREATEROLE and the ownership of its tables, or make a role and set "
    "INTERVIEW_DATABASE_JOB_URL"
)


async def check_job_role(visit: CheckContext) -> Finding:
    """Check that job processes connect with a role that has the privileges of a job, and no more.

    The check changes nothing. Each worker creates the role and grants the privileges when the
    worker starts.
    """
    settings = visit.settings
    own = settings.database_job_url.get_secret_value()
    try:
        async with visit.connection() as connection:
            worker = str(await connection.fetchval("SELECT current_user::text"))
            if own:
                url: DatabaseUrl | None = DatabaseUrl.of(with_tls(own, settings.database_tls))
            else:
                url = await made_role(connection, await visit.database_url())
            if url is None:
                return await _without_role(connection, worker)
        role, beyond = await try_role(url)
    except CONNECTION_FAILURES as error:
        return _with_all_rights(kind_of(error))
    except NoJobRole as problem:
        return _with_all_rights(str(problem))
    if role == worker:
        return _with_all_rights(f"INTERVIEW_DATABASE_JOB_URL names the role of the worker ({role})")
    if beyond:
        return warning(
            f"the role of the jobs, {role}, may {', '.join(beyond)}",
            f"REVOKE it from {role}, and from PUBLIC if all roles have it",
            role=role,
            beyond=beyond,
        )
    return fine(f"jobs connect as {role}, which has only the privileges of a job", role=role)


async def _without_role(connection: Any, worker: str) -> Finding:
    may_make = await connection.fetchval(
        "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = $1::name", worker
    )
    if may_make:
        return fine("the worker makes a role for the jobs at its start", role=None)
    return _with_all_rights(f"role {worker} may not make a role")


def _with_all_rights(why: str) -> Finding:
    return warning(f"jobs connect with all rights of the worker: {why}", _ADVICE)
