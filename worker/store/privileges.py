"""The privileges that the statements of this package need, for a worker and for a job.

The worker grants a job's role exactly the privileges `OF_JOBS`, and `interview-worker doctor`
checks the privileges of both roles. If a new statement needs another privilege, add the privilege
to this module: tests/integration/job_role runs the statements of a job with only the privileges
listed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.store.schema import known_migrations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.store.connection import Connection

_TABLES: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Privilege:
    """A privilege on a table, on some columns of a table, or on a function."""

    #: SELECT, INSERT, UPDATE, DELETE or EXECUTE.
    name: str
    #: The table, or the function with the types of its parameters.
    on: str
    #: The columns; empty: the whole table.
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The privilege as in GRANT, such as `UPDATE (token) on interviews`."""
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"{self.name}{columns} on {self.on}"

    @property
    def grant(self) -> str:
        """The beginning of a GRANT statement, up to the role."""
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        kind = "FUNCTION " if self.name == "EXECUTE" else ""
        return f"GRANT {self.name}{columns} ON {kind}{self.on} TO"


def _on(table: str, *names: str) -> tuple[Privilege, ...]:
    return tuple(Privilege(name=name, on=table) for name in names)


#: The columns of `interviews` that a job reads of any interview. The columns with plan, name and
#: identity are missing here, because a job reads them only for its own interview, with an SQL
#: function that checks the job's pass.
_READ_OF_ANY: Final = (
    *("interview_id", "room", "status", "outcome", "reason", "token", "lease_job", "protocol"),
    *("agent_name", "livekit_url", "shares_room", "opens_at", "closes_at", "updated_at", "tries"),
    *("dispatched_at", "dispatch_id", "dispatch_token", "untaken"),
)
#: The columns of `interviews` that a job may change.
_CHANGED_BY_A_JOB: Final = (
    *("status", "outcome", "reason", "updated_at", "token", "lease_job", "untaken", "lost_why"),
    *("agent_name", "livekit_url", "dispatched_at", "dispatch_id", "dispatch_token", "tries"),
)
#: The columns of `interviews` that a job may set in a new row.
_CREATED_BY_A_JOB: Final = (
    *("interview_id", "room", "candidate_identity", "candidate_name", "plan", "opens_at"),
    *("closes_at", "protocol", "agent_name", "livekit_url"),
)

#: The columns of `jobs` that a job may change. The job's id must not be changed, because it assigns
#: the words of a job to an interview.
_CHANGED_OF_JOBS: Final = (
    *("interview_id", "room", "worker_id", "pid", "token", "state", "outcome", "reason"),
    *("exit_code", "signal", "started_at", "ended_at", "conditions"),
)
#: The columns of `leases` that a job may change.
_CHANGED_OF_LEASES: Final = ("token", "job_id", "worker_id", "lease_s", "expires")

#: The privileges of a job's role. No UPDATE covers a whole table, which would also allow LOCK TABLE
#: in every mode.
OF_JOBS: Final = (
    *_on("schema_migrations", "SELECT"),
    Privilege(name="SELECT", on="interviews", columns=_READ_OF_ANY),
    Privilege(name="UPDATE", on="interviews", columns=_CHANGED_BY_A_JOB),
    Privilege(name="INSERT", on="interviews", columns=_CREATED_BY_A_JOB),
    *_on("leases", "SELECT", "INSERT"),
    Privilege(name="UPDATE", on="leases", columns=_CHANGED_OF_LEASES),
    *_on("lease_contact", "SELECT"),
    *_on("orphans", "SELECT"),
    *_on("workers", "SELECT"),
    *_on("tombstones", "SELECT"),
    *_on("jobs", "SELECT", "INSERT"),
    Privilege(name="UPDATE", on="jobs", columns=_CHANGED_OF_JOBS),
    *_on("job_records", "INSERT"),
    Privilege(name="SELECT", on="job_records", columns=("job_id", "seq", "t", "kind")),
    *_on("turns", "INSERT"),
    *_on("own_interview(text, text)", "EXECUTE"),
    *_on("own_turns(text, text)", "EXECUTE"),
    *_on("own_records(text, text)", "EXECUTE"),
    *_on("wordless_records(text)", "EXECUTE"),
    *_on("is_erased(text, text)", "EXECUTE"),
)

#: The privileges of a worker's role on each of its tables.
OF_WORKERS_ON_TABLES: Final = ("SELECT", "INSERT", "UPDATE")
#: The tables that only the owner of the schema uses. If a worker lacks the privileges on these
#: tables, its jobs connect with the worker's role.
OF_THE_OWNER: Final = ("job_access",)
#: The tables from which the worker also deletes rows.
DELETED_FROM: Final = ("workers", "duties", "leases", "orphans")
#: The functions that a worker calls.
CALLED_BY_WORKERS: Final = ("wordless_records(text)", "is_erased(text, text)")


def tables() -> tuple[str, ...]:
    """Return the names of the tables that the migrations create."""
    return tuple(
        dict.fromkeys(name for each in known_migrations() for name in _TABLES.findall(each.sql))
    )


def of_workers() -> tuple[Privilege, ...]:
    """Return the privileges of a worker's role."""
    used = [table for table in tables() if table not in OF_THE_OWNER]
    return (
        *_on("schema_migrations", "SELECT"),
        *(Privilege(name=name, on=table) for table in used for name in OF_WORKERS_ON_TABLES),
        *(Privilege(name="DELETE", on=table) for table in DELETED_FROM),
        *(Privilege(name="EXECUTE", on=function) for function in CALLED_BY_WORKERS),
    )


#: Query for the numbers of the privileges that the role $4 lacks. $1 to $3 and $5 are the number,
#: the name, the object and the column of each wanted privilege; the column is an empty text for the
#: whole object. An object that does not exist is skipped, because a migration will create it.
_LACKING: Final = """
SELECT DISTINCT number::integer AS number
FROM unnest($1::text[], $2::text[], $3::text[], $5::text[]) AS wanted (number, name, object, field)
WHERE NOT CASE
    WHEN name = 'EXECUTE' THEN has_function_privilege($4::name, to_regprocedure(object)::oid, name)
    WHEN field = '' THEN has_table_privilege($4::name, to_regclass(object)::oid, name)
    ELSE has_column_privilege($4::name, to_regclass(object)::oid, field, name)
END ORDER BY number
"""


async def lacking(
    connection: Connection, role: str, wanted: Sequence[Privilege]
) -> list[Privilege]:
    """Return the privileges of `wanted` that a role lacks. Raises the errors of asyncpg."""
    parts = [
        (number, each.name, each.on, column)
        for number, each in enumerate(wanted)
        for column in each.columns or ("",)
    ]
    rows = await connection.fetch(
        _LACKING,
        [str(number) for number, *_ in parts],
        [name for _, name, _, _ in parts],
        [on for _, _, on, _ in parts],
        role,
        [column for *_, column in parts],
    )
    return [wanted[row["number"]] for row in rows]


#: Query that returns, as texts, what the role $1 may do beyond `OF_JOBS`. $2 are the tables to
#: check.
_TOO_MUCH: Final = """
SELECT 'be a superuser' AS may FROM pg_roles WHERE rolname = $1::name AND rolsuper
UNION ALL SELECT 'make roles' FROM pg_roles WHERE rolname = $1::name AND rolcreaterole
UNION ALL SELECT 'pass row level security' FROM pg_roles WHERE rolname = $1::name AND rolbypassrls
UNION ALL SELECT 'change the schema'
    WHERE has_schema_privilege($1::name, current_schema(), 'CREATE')
UNION ALL SELECT 'read all plans'
    WHERE has_column_privilege($1::name, to_regclass('interviews')::oid, 'plan', 'SELECT')
UNION ALL SELECT 'read all words'
    WHERE has_table_privilege($1::name, to_regclass('turns')::oid, 'SELECT')
        OR has_column_privilege($1::name, to_regclass('job_records')::oid, 'record', 'SELECT')
UNION ALL SELECT 'read the key of the passes'
    WHERE has_table_privilege($1::name, to_regclass('job_access')::oid, 'SELECT')
UNION ALL SELECT 'delete from ' || name FROM unnest($2::text[]) AS name
    WHERE has_table_privilege($1::name, to_regclass(name)::oid, 'DELETE')
        OR has_table_privilege($1::name, to_regclass(name)::oid, 'TRUNCATE')
"""


async def too_much(connection: Connection, role: str) -> list[str]:
    """Return what a job's role may do but should not, as phrases such as "be a superuser".

    Raises the errors of asyncpg.
    """
    return [row["may"] for row in await connection.fetch(_TOO_MUCH, role, list(tables()))]
