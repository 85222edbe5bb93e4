"""Interviews: created, dispatched, held, ended.

Every function takes a `Database` and a budget in seconds, and raises `DatabaseUnavailable` or
`DatabaseOperationFailed` beside what it names itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from worker.store.pool import BUDGET_S
from worker.store.turns import Turn, turn_of

if TYPE_CHECKING:
    from datetime import datetime

    from worker.interview.plan import Plan
    from worker.store.connection import Connection, Row
    from worker.store.pool import Database

# The id is part of a room's name and of an identity, and stands in URLs and logs.
_INTERVIEW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

#: Outcomes of a job after which the interview itself goes on or belongs to another job.
NOT_THE_END = ("superseded", "handed_over")
#: The reason of a job that found its interview over: it says nothing of the interview.
ALREADY_OVER = "InterviewAlreadyOver"


class InterviewStatus(StrEnum):
    """How far an interview has come."""

    #: It has a plan, and nobody was sent yet.
    CREATED = "created"
    #: A job was asked for, and has not begun.
    DISPATCHED = "dispatched"
    #: A job has begun.
    RUNNING = "running"
    #: The last job has ended it, with an outcome and a reason.
    ENDED = "ended"


class InterviewIdInvalid(ValueError):  # noqa: N818 - named for what it says of the id
    """An interview id that cannot name a room: 1 to 100 letters, digits, `.`, `_` and `-`."""

    def __init__(self, interview_id: str) -> None:
        self.interview_id = interview_id
        super().__init__(
            f"the interview id {interview_id[:100]!r} must be 1 to 100 letters, digits, "
            "'.', '_' and '-', the first a letter or digit"
        )


class InterviewExists(Exception):  # noqa: N818 - named for what was found
    """An interview of this id exists already, with another plan, room or candidate."""

    def __init__(self, interview_id: str) -> None:
        self.interview_id = interview_id
        super().__init__(f"interview {interview_id} exists already and is another one")


@dataclass(frozen=True, kw_only=True)
class Interview:
    """One interview as it is stored; times are UTC by the database's clock."""

    interview_id: str
    room: str
    candidate_identity: str
    candidate_name: str | None
    #: The plan's snapshot, as `Plan.from_json` reads it.
    plan: dict[str, Any]
    status: InterviewStatus
    #: Those of its last job, once it has ended.
    outcome: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime
    dispatch_id: str | None
    #: The fencing token the last dispatch was made for.
    dispatch_token: int | None
    dispatched_at: datetime | None
    #: The fencing token: it only rises, with each job that takes the lease.
    token: int
    lease_job: str | None
    lease_worker: str | None
    lease_expires: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether no further job may hold it: it has ended, and not by a failure."""
        return self.status is InterviewStatus.ENDED and self.outcome != "failed"


def check_interview_id(interview_id: str) -> None:
    """Raise `InterviewIdInvalid` for an id that no interview can have."""
    if not _INTERVIEW_ID.fullmatch(interview_id):
        raise InterviewIdInvalid(interview_id)


async def create_interview(
    db: Database,
    *,
    interview_id: str,
    plan: Plan,
    room: str | None = None,
    candidate_identity: str | None = None,
    candidate_name: str | None = None,
    budget_s: float = BUDGET_S,
) -> Interview:
    """Store a new interview; the room and the candidate's identity follow from its id by default.

    Creating the very same interview again returns the one that exists. Raises
    `InterviewIdInvalid`, and `InterviewExists` for an id that belongs to another interview.
    """
    check_interview_id(interview_id)
    room = room or f"interview-{interview_id}"
    identity = candidate_identity or f"candidate-{interview_id}"
    snapshot = plan.to_json()

    async def insert(connection: Connection) -> Interview:
        await connection.execute(
            "INSERT INTO interviews"
            " (interview_id, room, candidate_identity, candidate_name, plan)"
            " VALUES ($1, $2, $3, $4, $5::jsonb) ON CONFLICT DO NOTHING",
            interview_id,
            room,
            identity,
            candidate_name,
            json.dumps(snapshot),
        )
        row = await connection.fetchrow(
            "SELECT * FROM interviews WHERE interview_id = $1", interview_id
        )
        found = _interview(row) if row is not None else None
        if found is None or (
            (found.room, found.candidate_identity, found.candidate_name, found.plan)
            != (room, identity, candidate_name, snapshot)
        ):
            raise InterviewExists(interview_id)
        return found

    return await db.run("create_interview", insert, budget_s=budget_s)


async def get_interview(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S
) -> Interview | None:
    """The interview, or None where there is none; an id that cannot be one is none."""
    if not _INTERVIEW_ID.fullmatch(interview_id):
        return None
    row = await db.run(
        "get_interview",
        lambda connection: connection.fetchrow(
            "SELECT * FROM interviews WHERE interview_id = $1", interview_id
        ),
        budget_s=budget_s,
    )
    return None if row is None else _interview(row)


async def list_interviews(
    db: Database,
    *,
    status: InterviewStatus | None = None,
    limit: int = 100,
    budget_s: float = BUDGET_S,
) -> list[Interview]:
    """The newest interviews first, at most `limit`, all or those of one status."""
    rows = await db.run(
        "list_interviews",
        lambda connection: connection.fetch(
            "SELECT * FROM interviews WHERE $1::text IS NULL OR status = $1"
            " ORDER BY created_at DESC, interview_id LIMIT $2",
            status,
            limit,
        ),
        budget_s=budget_s,
    )
    return [_interview(row) for row in rows]


async def turns_of(db: Database, interview_id: str, *, budget_s: float = BUDGET_S) -> list[Turn]:
    """Every turn of the interview, in the order of its jobs and, in each, of the journal.

    The clocks of two machines differ, so times order turns only within one job.
    """
    rows = await db.run(
        "turns_of",
        lambda connection: connection.fetch(
            "SELECT turns.* FROM turns LEFT JOIN jobs USING (job_id)"
            " WHERE turns.interview_id = $1"
            " ORDER BY coalesce(jobs.token, 0), jobs.started_at, turns.job_id, turns.seq",
            interview_id,
        ),
        budget_s=budget_s,
    )
    return [turn_of(row) for row in rows]


async def set_dispatched(
    db: Database, interview_id: str, *, dispatch_id: str, budget_s: float = BUDGET_S
) -> bool:
    """Note that a job was asked for; False for an interview that is over or does not exist."""
    found = await db.run(
        "set_dispatched",
        lambda connection: connection.fetchval(
            "UPDATE interviews SET status = 'dispatched', outcome = NULL, reason = NULL,"
            " dispatch_id = $2, dispatch_token = token, dispatched_at = now(), updated_at = now()"
            " WHERE interview_id = $1 AND (status <> 'ended' OR outcome = 'failed')"
            " RETURNING interview_id",
            interview_id,
            dispatch_id,
        ),
        budget_s=budget_s,
    )
    return found is not None


async def mark_running(
    db: Database, interview_id: str, job_id: str, *, budget_s: float = BUDGET_S
) -> bool:
    """Note that a job has begun; False for an interview that is over or does not exist."""

    async def begin(connection: Connection) -> bool:
        found = await connection.fetchval(
            "UPDATE interviews SET status = 'running', outcome = NULL, reason = NULL,"
            " updated_at = now()"
            " WHERE interview_id = $1 AND (status <> 'ended' OR outcome = 'failed')"
            " RETURNING interview_id",
            interview_id,
        )
        if found is None:
            return False
        # The job has a row from now on, so that the end of an earlier one no longer counts.
        await connection.execute(
            "INSERT INTO jobs (job_id, interview_id, started_at) VALUES ($1, $2, now())"
            " ON CONFLICT (job_id) DO UPDATE SET interview_id = excluded.interview_id",
            job_id,
            interview_id,
        )
        return True

    return await db.run("mark_running", begin, budget_s=budget_s)


async def end_interview(
    db: Database,
    interview_id: str,
    job_id: str | None,
    outcome: str,
    reason: str,
    *,
    budget_s: float = BUDGET_S,
) -> bool:
    """End an interview by its job, or by hand (`job_id` None); True if it has ended so.

    By a job it ends as `settle` decides: not with an outcome that says nothing of the interview,
    and not while a later job holds it.
    """

    async def end(connection: Connection) -> bool:
        if job_id is None:
            done = await connection.fetchval(
                "UPDATE interviews SET status = 'ended', outcome = $2, reason = $3,"
                " updated_at = now() WHERE interview_id = $1 AND status <> 'ended'"
                " RETURNING interview_id",
                interview_id,
                outcome,
                reason,
            )
            return done is not None
        await connection.execute(
            "INSERT INTO jobs (job_id, interview_id, outcome, reason, started_at, ended_at)"
            " VALUES ($1, $2, $3, $4, now(), now()) ON CONFLICT (job_id) DO UPDATE SET"
            " outcome = excluded.outcome, reason = excluded.reason,"
            " ended_at = coalesce(jobs.ended_at, excluded.ended_at)",
            job_id,
            interview_id,
            outcome,
            reason,
        )
        return await settle(connection, interview_id) == job_id

    return await db.run("end_interview", end, budget_s=budget_s)


async def settle(connection: Connection, interview_id: str) -> str | None:
    """Give the interview the outcome of its last job, if that has one; returns the job's id.

    The last job is the one of the highest token, then of the latest start. Jobs that were
    superseded, or found the interview over, do not count; after a hand-over the interview goes on.
    """
    # The row lock puts jobs that end at once in a line: the second sees what the first wrote.
    locked = await connection.fetchval(
        "SELECT interview_id FROM interviews WHERE interview_id = $1 FOR NO KEY UPDATE",
        interview_id,
    )
    if locked is None:
        return None
    last = await connection.fetchrow(
        "SELECT job_id, outcome, reason FROM jobs WHERE interview_id = $1"
        " AND outcome IS DISTINCT FROM 'superseded' AND reason IS DISTINCT FROM $2"
        " ORDER BY coalesce(token, 0) DESC, started_at DESC NULLS LAST, job_id DESC LIMIT 1",
        interview_id,
        ALREADY_OVER,
    )
    if last is None or last["outcome"] is None or last["outcome"] in NOT_THE_END:
        return None
    await connection.execute(
        "UPDATE interviews SET status = 'ended', outcome = $2, reason = $3, updated_at = now()"
        " WHERE interview_id = $1 AND (status, outcome, reason)"
        " IS DISTINCT FROM ('ended', $2, $3)",
        interview_id,
        last["outcome"],
        last["reason"],
    )
    return str(last["job_id"])


def _interview(row: Row) -> Interview:
    fields = {name: row[name] for name in Interview.__dataclass_fields__}
    fields["plan"] = json.loads(fields["plan"])
    fields["status"] = InterviewStatus(fields["status"])
    return Interview(**fields)
