"""Interviews that are without an interviewer, and the right to send them another one.

One worker looks for them by a row in `duties`, which is not what keeps two from acting: that is
the fencing token, which a dispatch raises in the statement that claims it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from states import Outcome, Reason
from worker.store.interviews import Interview, interview_of
from worker.store.leases import expired
from worker.store.pool import BUDGET_S

if TYPE_CHECKING:
    from worker.store.pool import Database

#: Failures after which another try is worth it: of this job or process, not of the interview.
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
#: Why an interview is without an interviewer, where no job has told.
LEASE_EXPIRED: Final = "LeaseExpired"
#: No worker took the dispatch: LiveKit dropped it, or waits for one that does not answer.
NOT_TAKEN: Final = "NotTaken"
#: Why it is, where its last job has passed it on: no failure, and nothing to wait for.
HANDED_OVER: Final = Reason.HANDOVER_REQUESTED
NOT_SENT: Final = "NotSent"
#: What is no failure of anybody's job, and counts as no try.
_UNCOUNTED: Final = (HANDED_OVER, NOT_TAKEN)

#: Seconds for a worker to take a dispatch, which takes it milliseconds; each further one has half
#: as long again, up to the join deadline.
_TAKES_S: Final = 2
#: Seconds after which nobody looks at an interview any more, and without a dispatch after which
#: tries are counted anew.
_LOOKED_AT_S: Final = 600
_FORGOTTEN_S: Final = 300
#: At one look; the others are found by the next.
_AT_A_TIME: Final = 50


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When another interviewer may be sent, in seconds, and how often."""

    lease_s: float
    join_s: float
    delay_s: float
    tries: int


@dataclass(frozen=True, kw_only=True)
class Stranded:
    """An interview without an interviewer."""

    interview: Interview
    #: One CamelCase word.
    why: str
    #: The last one's job, whose participant may linger in the room.
    last_job: str | None


_NOW = "clock_timestamp()"
#: SQL: how often somebody was sent lately.
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
#: Parameters: $1 lease, $2 join deadline (seconds), $3 reasons; for `_DUE` also $4 delay, $5 tries.
_WHY = (
    "CASE"
    f" WHEN {_HANDED_OVER} THEN '{HANDED_OVER}'"
    f" WHEN status IN ('dispatched', 'running') AND {expired('$1')}"
    f" AND lease_expires > {_NOW} - interval '{_LOOKED_AT_S} s' THEN '{LEASE_EXPIRED}'"
    # One that never had a lease takes it within a second of writing that it runs.
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


async def find_stranded(
    db: Database,
    limits: Limits,
    *,
    job_id: str | None = None,
    room: str | None = None,
    budget_s: float = BUDGET_S,
) -> list[Stranded]:
    """Interviews to which another interviewer may be sent now, of one job or room if given.

    Whether somebody waits in the room is not for the database to say. Raises
    DatabaseUnavailable and DatabaseOperationFailed.
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
        Stranded(interview=interview_of(row), why=row["why"], last_job=row["last_job"])
        for row in rows
    ]


async def claim_dispatch(
    db: Database, found: Stranded, limits: Limits, *, budget_s: float = BUDGET_S
) -> int | None:
    """Take the right to send an interviewer there; returns the token it is sent for.

    Of many who claim one gets it: the token rises, so that whoever held it before is mute. None
    where somebody was quicker, or the interview has an interviewer after all. Raises
    DatabaseUnavailable and DatabaseOperationFailed.
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
    """Note LiveKit's id of the dispatch that was made for a token.

    Raises DatabaseUnavailable and DatabaseOperationFailed.
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
    db: Database, found: Stranded, *, token: int, budget_s: float = BUDGET_S
) -> None:
    """Undo a claim for which nobody could be sent: it counts as no try, and is due at once.

    Somebody who comes all the same keeps the interview. Raises DatabaseUnavailable and
    DatabaseOperationFailed.
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
    db: Database, found: Stranded, limits: Limits, *, budget_s: float = BUDGET_S
) -> None:
    """End an interview that is still without an interviewer, and whose candidate has gone.

    Its token rises, so that nobody who may live comes back to it. Raises DatabaseUnavailable and
    DatabaseOperationFailed.
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


async def hold_duty(
    db: Database, duty: str, *, worker_id: str, for_s: float, budget_s: float = BUDGET_S
) -> bool:
    """Take a duty for so many seconds, or keep it; False while it is another worker's.

    Raises DatabaseUnavailable and DatabaseOperationFailed.
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


async def drop_duties(
    db: Database, duties: Collection[str], *, worker_id: str, budget_s: float = BUDGET_S
) -> None:
    """Let go of these duties, so that nobody waits for their end.

    Raises DatabaseUnavailable and DatabaseOperationFailed.
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
