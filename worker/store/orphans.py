"""Find orphaned interviews (without an interviewer), and claim the right to redispatch one.

Only one worker searches for orphaned interviews. That worker is the leader, which holds the leader
lock, a row in the table `duties`. The leader lock does not prevent a double dispatch. The fencing
token prevents a double dispatch, because the statement that claims a dispatch also raises the
token.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from states import Outcome, Reason
from worker.store.database import BUDGET_S
from worker.store.interviews import Interview, interview_of
from worker.store.leases import expired

if TYPE_CHECKING:
    from worker.store.database import Database

#: End reasons of a job that justify a redispatch of the interview: the job or its process failed,
#: but not the interview.
WORTH_ANOTHER_TRY: Final = (
    Reason.PROCESS_KILLED,
    Reason.PROCESS_EXITED,
    Reason.JOB_CRASHED,
    Reason.HANDSHAKE_FAILED,
    Reason.HANDSHAKE_TIMEOUT,
    Reason.BOOTSTRAP_NEVER_STARTED,
    Reason.BOOTSTRAP_TIMEOUT,
    Reason.SESSION_START_TIMEOUT,
    Reason.SESSION_FAILED,
    Reason.ROOM_LOST,
    Reason.WORKER_LOST,
    Reason.TURN_STUCK,
)
#: Reason of a redispatch: the interview lost its interviewer, and no job reported why.
LEASE_EXPIRED: Final = "LeaseExpired"
#: Reason of a redispatch: no worker took the last dispatch. LiveKit dropped the dispatch, or waits
#: for a worker that does not answer.
NOT_TAKEN: Final = "NotTaken"
#: Reason of a redispatch: the last job handed the interview over. A handover is not a failure, so
#: the redispatch has no delay.
HANDED_OVER: Final = Reason.HANDOVER_REQUESTED
#: Reason of a redispatch: a worker claimed the last dispatch in the database, but could not send
#: the dispatch to LiveKit. See `give_back_dispatch`.
NOT_SENT: Final = "NotSent"
#: Reasons for which a redispatch does not count towards `Limits.tries`, because no job has failed.
_UNCOUNTED: Final = (HANDED_OVER, NOT_TAKEN)

#: Seconds after which a dispatch counts as not taken; a worker normally takes a dispatch within
#: milliseconds. Each consecutive dispatch that no worker takes gets 1.5 times as long as the
#: previous dispatch, up to the join deadline.
_TAKES_S: Final = 2
#: Seconds since the last change of an interview after which the interview is no longer
#: redispatched.
_LOOKED_AT_S: Final = 600
#: Seconds without a dispatch after which an interview's number of redispatches (`Interview.tries`)
#: counts as 0.
_FORGOTTEN_S: Final = 300
#: Maximum number of interviews that one call of `find_orphaned` returns. The next call returns
#: further interviews.
_AT_A_TIME: Final = 50


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of redispatch: lease, join deadline and delay in seconds, and maximum redispatches."""

    lease_s: float
    join_s: float
    delay_s: float
    tries: int


@dataclass(frozen=True, kw_only=True)
class OrphanedInterview:
    """An orphaned interview, that is, an interview without an interviewer."""

    interview: Interview
    #: Reason why the interview has no interviewer, as one CamelCase word.
    why: str
    #: Id of the last interviewer's job. The last interviewer may still be a participant of the
    #: room.
    last_job: str | None


_NOW = "clock_timestamp()"
#: SQL expression for `Interview.tries`, the number of counted redispatches; 0 if the last dispatch
#: is older than `_FORGOTTEN_S`.
TRIES: Final = (
    f"(CASE WHEN dispatched_at > {_NOW} - interval '{_FORGOTTEN_S} s' THEN tries ELSE 0 END)"
)
_NOT_SENT = (
    "status = 'dispatched' AND lease_job IS NULL AND dispatched_at IS NULL"
    f" AND updated_at > {_NOW} - interval '{_LOOKED_AT_S} s'"
)
_LOST_AFTER_S = f"least({_TAKES_S} * 1.5 ^ least(untaken, 9), $2)"
_NOT_TAKEN = (
    "status = 'dispatched' AND lease_job IS NULL"
    f" AND dispatched_at BETWEEN {_NOW} - interval '{_LOOKED_AT_S} s'"
    f" AND {_NOW} - make_interval(secs => {_LOST_AFTER_S})"
)
_HANDED_OVER = (
    "status IN ('dispatched', 'running') AND lease_job IS NULL"
    f" AND updated_at > {_NOW} - interval '{_LOOKED_AT_S} s'"
    " AND EXISTS (SELECT FROM jobs WHERE jobs.interview_id = interviews.interview_id"
    f" AND jobs.outcome = '{Outcome.HANDED_OVER}' AND jobs.reason = '{HANDED_OVER}'"
    " AND coalesce(jobs.token, 0) = interviews.token)"
)
#: SQL expression for the reason why an interview has no interviewer; null if no reason justifies a
#: redispatch. Its parameters are $1 lease and $2 join deadline, in seconds, and $3 the reasons in
#: `WORTH_ANOTHER_TRY`. The condition `_DUE` also uses $4 delay in seconds and $5 maximum tries.
_WHY = (
    "CASE"
    f" WHEN {_HANDED_OVER} THEN '{HANDED_OVER}'"
    f" WHEN status IN ('dispatched', 'running') AND {expired('$1')}"
    f" AND lease_expires > {_NOW} - interval '{_LOOKED_AT_S} s' THEN '{LEASE_EXPIRED}'"
    # A job that runs without the lease takes the lease within a second. If no job holds the lease
    # after the join deadline, the interview has lost its interviewer.
    " WHEN status = 'running' AND lease_job IS NULL"
    f" AND updated_at BETWEEN {_NOW} - interval '{_LOOKED_AT_S} s'"
    f" AND {_NOW} - make_interval(secs => $2)"
    f" THEN '{LEASE_EXPIRED}'"
    f" WHEN {_NOT_SENT} THEN '{NOT_SENT}'"
    f" WHEN {_NOT_TAKEN} THEN '{NOT_TAKEN}'"
    " WHEN status = 'ended' AND outcome = 'failed' AND lease_job IS NULL"
    f" AND updated_at > {_NOW} - interval '{_LOOKED_AT_S} s' AND reason = ANY($3::text[])"
    " THEN reason END"
)
_DUE = (
    f"({_HANDED_OVER} OR {_NOT_TAKEN} OR {_NOT_SENT} OR {TRIES} < $5 AND ({TRIES} = 0"
    f" OR dispatched_at <= {_NOW} - make_interval(secs => $4 * 2 ^ ({TRIES} - 1))))"
)
_CANDIDATES = (
    "(status IN ('dispatched', 'running')"
    f" OR (outcome = 'failed' AND updated_at > {_NOW} - interval '{_LOOKED_AT_S} s'))"
)
_LAST_JOB = (
    "coalesce(lease_job, (SELECT job_id FROM jobs WHERE jobs.interview_id = found.interview_id"
    " ORDER BY coalesce(jobs.token, 0) DESC, started_at DESC NULLS LAST LIMIT 1))"
)


def _parameters(limits: Limits) -> tuple[object, ...]:
    reasons = [str(reason) for reason in WORTH_ANOTHER_TRY]
    return limits.lease_s, limits.join_s, reasons, limits.delay_s, limits.tries


async def find_orphaned(
    db: Database,
    limits: Limits,
    *,
    job_id: str | None = None,
    room: str | None = None,
    budget_s: float = BUDGET_S,
) -> list[OrphanedInterview]:
    """Return the interviews that may be redispatched now.

    If `job_id` or `room` is given, return only the interview of that job or in that room. The
    caller must check that the candidate is in the room, because the database does not know the
    participants of a room. Raises DatabaseUnavailable or DatabaseOperationFailed if the database
    operation fails.
    """
    query = (
        f"SELECT *, {_LAST_JOB} AS last_job FROM ("
        f"SELECT *, {_WHY} AS why FROM interviews WHERE {_CANDIDATES} AND {_DUE}"
        " AND ($6::text IS NULL"
        " OR interview_id = (SELECT interview_id FROM jobs WHERE job_id = $6))"
        " AND ($7::text IS NULL OR room = $7)"
        f") AS found WHERE why IS NOT NULL LIMIT {_AT_A_TIME}"
    )
    rows = await db.run(
        "find_stranded",
        lambda connection: connection.fetch(query, *_parameters(limits), job_id, room),
        budget_s=budget_s,
    )
    return [
        OrphanedInterview(interview=interview_of(row), why=row["why"], last_job=row["last_job"])
        for row in rows
    ]


async def claim_dispatch(
    db: Database, found: OrphanedInterview, limits: Limits, *, budget_s: float = BUDGET_S
) -> int | None:
    """Claim the right to redispatch the interview; return the token of the new dispatch.

    Only one of several concurrent claims succeeds. The claim raises the token, so that any earlier
    interviewer mutes itself. Return None if another worker was faster, or if the interview has an
    interviewer after all. Raises DatabaseUnavailable or DatabaseOperationFailed if the database
    operation fails.
    """
    claim = (
        "UPDATE interviews SET token = token + 1, dispatch_token = token + 1, dispatch_id = NULL,"
        f" tries = {TRIES} + CASE WHEN {_HANDED_OVER} OR {_NOT_TAKEN} THEN 0 ELSE 1 END,"
        f" untaken = CASE WHEN {_NOT_TAKEN} THEN untaken + 1 ELSE 0 END,"
        f" dispatched_at = {_NOW}, updated_at = {_NOW},"
        " status = 'dispatched', outcome = NULL, reason = NULL,"
        " lease_job = NULL, lease_worker = NULL, lease_expires = NULL"
        f" WHERE interview_id = $6 AND token = $7 AND ({_WHY}) IS NOT NULL AND {_DUE}"
        " RETURNING token"
    )
    which = found.interview.interview_id, found.interview.token
    token = await db.run(
        "claim_dispatch",
        lambda connection: connection.fetchval(claim, *_parameters(limits), *which),
        budget_s=budget_s,
    )
    return None if token is None else int(token)


async def note_dispatch(
    db: Database, interview_id: str, *, token: int, dispatch_id: str, budget_s: float = BUDGET_S
) -> None:
    """Store the id that LiveKit gave to a dispatch, in the row of the dispatched interview.

    Nothing is stored if `token`, which was claimed for this dispatch, is no longer the interview's
    dispatch token. Raises DatabaseUnavailable or DatabaseOperationFailed if the database operation
    fails.
    """
    await db.run(
        "note_dispatch",
        lambda connection: connection.execute(
            "UPDATE interviews SET dispatch_id = $3"
            " WHERE interview_id = $1 AND dispatch_token = $2",
            interview_id,
            token,
            dispatch_id,
        ),
        budget_s=budget_s,
    )


async def give_back_dispatch(
    db: Database, found: OrphanedInterview, *, token: int, budget_s: float = BUDGET_S
) -> None:
    """Undo a claim whose dispatch could not be sent, so that another claim is possible at once.

    The failed dispatch does not count as a try. If an interviewer joins nevertheless, that
    interviewer keeps the interview. Raises DatabaseUnavailable or DatabaseOperationFailed if the
    database operation fails.
    """
    await db.run(
        "give_back_dispatch",
        lambda connection: connection.execute(
            "UPDATE interviews SET dispatched_at = NULL, tries = greatest(tries - $3, 0)"
            " WHERE interview_id = $1 AND token = $2 AND dispatch_token = $2"
            " AND lease_job IS NULL AND dispatch_id IS NULL AND dispatched_at IS NOT NULL",
            found.interview.interview_id,
            token,
            int(found.why not in _UNCOUNTED),
        ),
        budget_s=budget_s,
    )


async def end_without_candidate(
    db: Database, found: OrphanedInterview, limits: Limits, *, budget_s: float = BUDGET_S
) -> None:
    """End an interview whose candidate has left and that still has no interviewer.

    The interview's token rises, so that an earlier job that is still alive cannot continue the
    interview. Raises DatabaseUnavailable or DatabaseOperationFailed if the database operation
    fails.
    """
    end = (
        "UPDATE interviews SET token = token + 1, status = 'ended', outcome = $6, reason = $7,"
        f" updated_at = {_NOW}, lease_job = NULL, lease_worker = NULL, lease_expires = NULL"
        f" WHERE interview_id = $4 AND token = $5 AND status <> 'ended' AND ({_WHY}) IS NOT NULL"
    )
    which = found.interview.interview_id, found.interview.token
    how = Outcome.ABANDONED, Reason.CANDIDATE_LEFT
    await db.run(
        "end_without_candidate",
        lambda connection: connection.execute(end, *_parameters(limits)[:3], *which, *how),
        budget_s=budget_s,
    )


async def hold_leader_lock(
    db: Database, duty: str, *, worker_id: str, for_s: float, budget_s: float = BUDGET_S
) -> bool:
    """Take or renew a leader lock for `for_s` seconds; return False if another worker holds it.

    Raises DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """
    held = await db.run(
        "hold_duty",
        lambda connection: connection.fetchval(
            "INSERT INTO duties (duty, worker_id, expires)"
            f" VALUES ($1, $2, {_NOW} + make_interval(secs => $3))"
            " ON CONFLICT (duty) DO UPDATE SET worker_id = excluded.worker_id,"
            " expires = excluded.expires"
            " WHERE duties.worker_id = excluded.worker_id"
            f" OR duties.expires NOT BETWEEN {_NOW} AND excluded.expires RETURNING true",
            duty,
            worker_id,
            for_s,
        ),
        budget_s=budget_s,
    )
    return bool(held)


async def drop_leader_locks(
    db: Database, duties: Collection[str], *, worker_id: str, budget_s: float = BUDGET_S
) -> None:
    """Release this worker's leader locks, so that no other worker waits for their expiry.

    Raises DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """
    await db.run(
        "drop_duties",
        lambda connection: connection.execute(
            "DELETE FROM duties WHERE duty = ANY($1::text[]) AND worker_id = $2",
            list(duties),
            worker_id,
        ),
        budget_s=budget_s,
    )
