"""How an interview moves on: dispatched, running, ended, and by which of its jobs.

Every function takes a `Database` and a budget in seconds, and raises `DatabaseUnavailable` or
`DatabaseOperationFailed`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.pool import BUDGET_S

if TYPE_CHECKING:
    from worker.store.connection import Connection
    from worker.store.pool import Database

#: Outcomes of a job after which the interview itself goes on or belongs to another job.
NOT_THE_END = ("superseded", "handed_over")
#: The reason of a job that found its interview over: it says nothing of the interview.
ALREADY_OVER = "InterviewAlreadyOver"


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
