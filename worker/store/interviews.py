"""Create and read interviews.

The module `interview` defines the class of a stored interview, `interview_turns` reads the turns,
and `interview_status` updates the status. Every function that takes a `Database` also takes a time
budget in seconds. Each function raises `DatabaseUnavailable` or `DatabaseOperationFailed` if the
database operation fails, and the other errors that the function's docstring names.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from worker.store.database import BUDGET_S
from worker.store.interview import (
    Interview,
    InterviewClosedToJob,
    InterviewErased,
    InterviewExists,
    InterviewIdInvalid,
    InterviewStatus,
    RoomInUse,
    check_interview_id,
    interview_of,
    is_cancelled,
    is_interview_id,
    is_over,
)
from worker.store.scope import FIRST_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from worker.store.connection import Connection, Row
    from worker.store.database import Database
    from worker.store.scope import Scope

__all__ = [
    "INTERVIEW_FIELDS",
    "OPEN_DAYS",
    "SELECT_INTERVIEWS",
    "Interview",
    "InterviewClosedToJob",
    "InterviewErased",
    "InterviewExists",
    "InterviewIdInvalid",
    "InterviewStatus",
    "RoomInUse",
    "check_interview_id",
    "create_interview",
    "get_interview",
    "interview_of",
    "is_cancelled",
    "is_over",
    "list_interviews",
    "remove_untaken_interview",
]

#: Days for which a new interview is open from its creation or from a later `opens_at`, unless
#: `closes_at` is given.
OPEN_DAYS: Final = 7
#: Columns of the table `interviews` that are fields of `Interview`. Two further fields of
#: `Interview` are columns of `leases`.
INTERVIEW_FIELDS: Final = ", ".join(
    name for name in Interview.__dataclass_fields__ if name not in ("lease_worker", "lease_expires")
)
#: Query for interviews, without a condition. A lease with another token than the interview's is out
#: of date, and ignored.
SELECT_INTERVIEWS: Final = (
    f"SELECT interviews.{INTERVIEW_FIELDS.replace(', ', ', interviews.')},"
    " lease.worker_id AS lease_worker, lease.expires AS lease_expires"
    " FROM interviews LEFT JOIN leases AS lease"
    " ON lease.interview_id = interviews.interview_id AND lease.token = interviews.token"
)
_GET: Final = f"{SELECT_INTERVIEWS} WHERE interviews.interview_id = $1"
#: Variant of the query `_GET` for the database role of jobs; $2 is the pass of the interview.
_GET_OWN: Final = _GET.replace(
    " FROM interviews ", " FROM own_interview($1::text, $2::text) AS interviews ", 1
)
_EXISTS: Final = "SELECT true FROM interviews WHERE interview_id = $1"
#: Query for interviews with the parameters $1 status, $2 candidate, $3 since, $4 until, $5 limit. A
#: parameter that is null does not restrict the result. `coalesce` replaces a null time by an
#: infinite time, so that PostgreSQL uses the index by creation time.
_LIST: Final = f"""
{SELECT_INTERVIEWS}
WHERE ($1::text IS NULL OR status = $1)
    AND ($2::text IS NULL OR candidate_identity = $2
        OR strpos(lower(candidate_name), lower($2)) > 0)
    AND created_at >= coalesce($3::timestamptz, '-infinity')
    AND created_at < coalesce($4::timestamptz, 'infinity')
ORDER BY created_at DESC, interviews.interview_id LIMIT $5
"""


_INSERT: Final = f"""
INSERT INTO interviews (interview_id, room, candidate_identity, candidate_name, plan, opens_at,
    closes_at, protocol, agent_name, livekit_url)
VALUES ($1, $2, $3, $4, $5::jsonb, $6::timestamptz, coalesce($7::timestamptz,
    greatest(now(), $6::timestamptz) + interval '{OPEN_DAYS} days'), $8, $9, $10)
ON CONFLICT DO NOTHING
"""


async def create_interview(
    db: Database,
    *,
    interview_id: str,
    plan: Mapping[str, Any],
    room: str | None = None,
    candidate_identity: str | None = None,
    candidate_name: str | None = None,
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
    protocol: int = FIRST_PROTOCOL,
    scope: Scope | None = None,
    budget_s: float = BUDGET_S,
) -> Interview:
    """Store a new interview. The default room and candidate identity contain the id.

    `plan` is a snapshot of the plan, as JSON data. `opens_at` and `closes_at` are the limits of the
    interview's window; by default the window opens now, and closes `OPEN_DAYS` days after it opens.
    `protocol` is the protocol version that a worker must support to hold the interview. With
    `scope`, the interview belongs to the workers of that scope. If an identical interview exists
    already, the function returns that interview. Raises `InterviewIdInvalid` if the id is not
    valid, `RoomInUse` if another open interview has the room, `InterviewErased` if the interview
    was erased, `InterviewExists` if an interview with the same id has another plan, room, candidate
    or window, and `InterviewClosedToJob` as `get_interview` does.
    """
    check_interview_id(interview_id)
    room = room or f"interview-{interview_id}"
    identity = candidate_identity or f"candidate-{interview_id}"
    wanted = {
        "plan": dict(plan),
        "room": room,
        "candidate_identity": identity,
        "candidate_name": candidate_name,
        "opens_at": opens_at,
        "closes_at": closes_at,
    }
    return await db.run(
        "create_interview",
        lambda connection: _insert(db, connection, interview_id, wanted, protocol, scope),
        budget_s=budget_s,
    )


async def _insert(
    db: Database,
    connection: Connection,
    interview_id: str,
    wanted: Mapping[str, Any],
    protocol: int,
    scope: Scope | None,
) -> Interview:
    """Store an interview with the wanted fields. Raises the errors of `create_interview`."""
    await connection.execute(
        _INSERT,
        *(interview_id, wanted["room"], wanted["candidate_identity"], wanted["candidate_name"]),
        *(json.dumps(wanted["plan"]), wanted["opens_at"], wanted["closes_at"], protocol),
        *((scope.agent_name, scope.livekit) if scope is not None else (None, None)),
    )
    row = await _row_of(db, connection, interview_id)
    if row is None:
        if await connection.fetchval("SELECT is_erased('interview', $1)", interview_id):
            raise InterviewErased(interview_id)
        raise RoomInUse(interview_id, wanted["room"])
    found = interview_of(row)
    if differs := found.differs_from(**wanted):
        raise InterviewExists(interview_id, differs)
    return found


async def get_interview(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S, writable: bool = False
) -> Interview | None:
    """Return the interview; None if it does not exist or the id is invalid.

    With `writable`, a read-only server is not used, because its row may be old (`Database.run`).
    Raises `InterviewClosedToJob` if the database connection belongs to a job in another room.
    """
    if not is_interview_id(interview_id):
        return None
    row = await db.run(
        "get_interview",
        lambda connection: _row_of(db, connection, interview_id),
        budget_s=budget_s,
        writable=writable,
    )
    return None if row is None else interview_of(row)


async def list_interviews(
    db: Database,
    *,
    status: InterviewStatus | None = None,
    candidate: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    budget_s: float = BUDGET_S,
) -> list[Interview]:
    """Return at most `limit` interviews that match all given filters, newest first.

    `candidate` matches a part of the candidate's name, in upper or lower case, or the whole
    identity. An interview matches `since` if it was created at that time or later, and `until` if
    it was created before that time. `since` and `until` must have a time zone.
    """
    rows = await db.fetch(
        "list_interviews", _LIST, *(status, candidate, since, until, limit), budget_s=budget_s
    )
    return [interview_of(row) for row in rows]


async def remove_untaken_interview(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S
) -> bool:
    """Remove an interview unless a job has taken it; return True if it no longer exists.

    An interview that was dispatched, or that has a job, is not removed.
    """

    async def remove(connection: Connection) -> bool:
        await connection.execute(
            "DELETE FROM interviews WHERE interview_id = $1 AND status = 'created'"
            " AND token = 0 AND lease_job IS NULL"
            " AND NOT EXISTS (SELECT FROM jobs WHERE jobs.interview_id = $1)",
            interview_id,
        )
        left = await connection.fetchrow(
            "SELECT 1 FROM interviews WHERE interview_id = $1", interview_id
        )
        return left is None

    return await db.run("remove_untaken_interview", remove, budget_s=budget_s)


async def _row_of(db: Database, connection: Connection, interview_id: str) -> Row | None:
    """Return the row of an interview. Raises InterviewClosedToJob as `get_interview` does."""
    if db.own_pass is None:
        return await connection.fetchrow(_GET, interview_id)
    row = await connection.fetchrow(_GET_OWN, interview_id, db.own_pass)
    if row is None and await connection.fetchval(_EXISTS, interview_id):
        raise InterviewClosedToJob
    return row
