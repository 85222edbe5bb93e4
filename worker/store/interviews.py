"""Interviews and what was said in them: created and read (`progress` moves them on).

Every function takes a `Database` and a budget in seconds, and raises `DatabaseUnavailable` or
`DatabaseOperationFailed` beside what it names itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from states import Outcome, Reason
from worker.store.pool import BUDGET_S
from worker.store.turns import TURNS, Turn, turn_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from worker.store.connection import Connection, Row
    from worker.store.pool import Database

# The id is part of a room's name and of an identity, and stands in URLs and logs.
_INTERVIEW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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


class InterviewIdInvalid(ValueError):
    """An interview id that cannot name a room: 1 to 100 letters, digits, `.`, `_` and `-`."""

    def __init__(self, interview_id: str) -> None:
        self.interview_id = interview_id
        super().__init__(
            f"the interview id {interview_id[:100]!r} must be 1 to 100 letters, digits, "
            "'.', '_' and '-', the first a letter or digit"
        )


class InterviewExists(Exception):
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
    #: Interviewers that were sent again, one after the other, since it went well.
    tries: int

    @property
    def is_over(self) -> bool:
        """Whether no further job may hold it.

        A failure, or a worker that went away, ended a job and not the talk: another interviewer
        may take it up. RoomDeleted is somebody's word from outside, and stays the last one.
        """
        if self.status is not InterviewStatus.ENDED:
            return False
        went_away = (self.outcome, self.reason) == (Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)
        return self.outcome != Outcome.FAILED and not went_away


def check_interview_id(interview_id: str) -> None:
    """Raise `InterviewIdInvalid` for an id that no interview can have."""
    if not _INTERVIEW_ID.fullmatch(interview_id):
        raise InterviewIdInvalid(interview_id)


async def create_interview(
    db: Database,
    *,
    interview_id: str,
    plan: Mapping[str, Any],
    room: str | None = None,
    candidate_identity: str | None = None,
    candidate_name: str | None = None,
    budget_s: float = BUDGET_S,
) -> Interview:
    """Store a new interview; the room and the candidate's identity follow from its id by default.

    `plan` is the plan's snapshot, as JSON data. Creating the very same interview again returns the
    one that exists. Raises `InterviewIdInvalid`, and `InterviewExists` for an id that belongs to
    another interview.
    """
    check_interview_id(interview_id)
    room = room or f"interview-{interview_id}"
    identity = candidate_identity or f"candidate-{interview_id}"
    snapshot = dict(plan)

    async def insert(connection: Connection) -> Interview:
        await connection.execute(
            "INSERT INTO interviews"
            " (interview_id, room, candidate_identity, candidate_name, plan)"
            " VALUES ($1, $2, $3, $4, $5::jsonb) ON CONFLICT DO NOTHING",
            *(interview_id, room, identity, candidate_name, json.dumps(snapshot)),
        )
        row = await connection.fetchrow(
            "SELECT * FROM interviews WHERE interview_id = $1", interview_id
        )
        found = interview_of(row) if row is not None else None
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
    return None if row is None else interview_of(row)


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
    return [interview_of(row) for row in rows]


async def turns_of(db: Database, interview_id: str, *, budget_s: float = BUDGET_S) -> list[Turn]:
    """Every turn of the interview, in the order of its jobs and, in each, of the journal.

    The clocks of two machines differ, so times order turns only within one job. An answer that
    is being given, or was when its job died, is the last of that job's, marked as interrupted.
    """
    rows = await db.run(
        "turns_of",
        lambda connection: connection.fetch(TURNS, interview_id),
        budget_s=budget_s,
    )
    return [turn_of(row) for row in rows]


def interview_of(row: Row) -> Interview:
    """The interview in a row of its table."""
    fields = {name: row[name] for name in Interview.__dataclass_fields__}
    fields["plan"] = json.loads(fields["plan"])
    fields["status"] = InterviewStatus(fields["status"])
    return Interview(**fields)
