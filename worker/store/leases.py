"""Leases of interviews: take, check and release. Times come from the database's clock.

A lease is live until it expires. Each lease's row contains the duration that the holder of the
lease chose, so that workers with different settings agree whether the lease has expired. While no
worker can reach the database, no lease expires. When a worker reaches the database again, no lease
expires for one more lease duration. The module `heartbeat` renews leases, stores the time of the
workers' last contact with the database, and defines how long the contact must be missing to count
as an outage (by default half a lease duration). docs/explanation/continuity.md explains the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from states import Outcome, Reason
from worker.store.database import BUDGET_S
from worker.store.errors import DatabaseOperationFailed
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from worker.store.connection import Connection, Row
    from worker.store.database import Database
    from worker.store.scope import Scope

NOW: Final = "clock_timestamp()"
#: Longest plausible time until a lease expires, in durations of this lease. A lease with a later
#: expiry counts as expired, because it was written before the database's clock was set back.
_FAR: Final = 10
#: Share of the lease duration that should be left when a job checks its lease. If less is left, the
#: worker has missed a renewal, and the job renews the lease itself.
_ENOUGH: Final = 0.85
#: Maximum number of attempts of `take_lease`. An attempt is repeated if another job changed the
#: interview's row while the statement waited for a lock on it.
_ATTEMPTS: Final = 3

#: Maximum age of the workers' last contact with the database, in durations of a lease, while this
#: lease expires. The contact may be that of workers with longer leases, which is rarer.
_CONTACT_AGE: Final = 0.75

#: SQL condition that the lease `held`, a row of `leases`, has expired, with the row `contact` of
#: `lease_contact`.
LAPSED: Final = (
    f"held.expires NOT BETWEEN {NOW} AND {NOW} + {_FAR} * make_interval(secs => held.lease_s)"
    f" AND {NOW} NOT BETWEEN contact.calm_since"
    " AND contact.calm_since + make_interval(secs => held.lease_s)"
    f" AND contact.seen BETWEEN {NOW}"
    f" - make_interval(secs => least(contact.gap_s, {_CONTACT_AGE} * held.lease_s))"
    f" AND {NOW} + make_interval(secs => contact.gap_s)"
)
#: SQL condition that the lease of a row of `interviews` has expired. The fencing token is compared,
#: because a concurrent job may have taken the interview since the statement began.
EXPIRED: Final = (
    "EXISTS (SELECT FROM leases AS held, lease_contact AS contact"
    " WHERE held.interview_id = interviews.interview_id AND held.token = interviews.token"
    f" AND {LAPSED})"
)
#: Unique index with which PostgreSQL refuses a second open interview of a room and LiveKit server.
ONE_IN_ROOM: Final = "interviews_one_in_room"
#: SQL condition that a row of `interviews` may be opened: no other open interview has its room.
ROOM_FREE: Final = (
    "(interviews.status <> 'ended' OR interviews.shares_room OR NOT EXISTS ("
    "SELECT FROM interviews AS other WHERE other.room = interviews.room"
    " AND coalesce(other.livekit_url, '') = coalesce(interviews.livekit_url, '')"
    " AND other.status <> 'ended' AND NOT other.shares_room))"
)
#: SQL condition under which a job may take an interview's lease: the interview is not over. The
#: property `Interview.is_over` has the same rule, except for the room.
NOT_OVER: Final = (
    "(interviews.status <> 'ended' OR interviews.outcome = 'failed'"
    " OR (interviews.outcome, interviews.reason) = "
    f"('{Outcome.CANCELLED}', '{Reason.SHUTDOWN_REQUESTED}')) AND {ROOM_FREE}"
)


class LeaseHeld(Exception):
    """Raised when another job holds the interview's lease.

    Attributes:
        token: The fencing token of the job that holds the lease.
    """

    def __init__(self, token: int) -> None:
        self.token = token
        super().__init__(f"another job holds the interview's lease (token {token})")


class LeaseRefused(Exception):
    """Raised when a job must not hold an interview, even if no other job holds it.

    The interview has another room than the job, a later version created it, or it would belong to a
    LiveKit server on which another open interview has its room. The interview's row is not changed.
    """


class InterviewCancelled(LeaseRefused):
    """Raised when the interview was cancelled with a command.

    No job may hold the interview any more.
    """


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Current fencing token of an interview, and the job that holds the interview's lease."""

    token: int
    #: Id of the job that holds the lease; None while no job holds the lease.
    job_id: str | None
    #: True if the interview was cancelled with a command.
    cancelled: bool = False


#: SQL expression: whether a row of `interviews` was cancelled, as `Interview.is_cancelled`.
CANCELLED: Final = (
    "coalesce(interviews.status = 'ended' AND (interviews.outcome, interviews.reason) ="
    f" ('{Outcome.CANCELLED}', '{Reason.CANCEL_REQUESTED}'), false)"
)

#: SQL statement that takes a lease. As a single statement it costs one round trip (two at its first
#: use on a connection), and holds no row lock during a round trip. As in all other statements, the
#: interview's row is locked before the job's row. The token in the job's row lets
#: `interview_status.settle` ignore the end of a job that has lost its lease, even if the job itself
#: never received the token. The final SELECT of the statement reads the rows as they were before
#: the statement. A trigger deletes the row of `orphans`, because a job's role may not delete it.
_TAKE: Final = f"""
WITH taken AS (
    UPDATE interviews SET token = token + (lease_job IS DISTINCT FROM $2)::integer,
        lease_job = $2,
        -- An interviewer is joining now. Therefore the status becomes "dispatched", even if the
        -- dispatch was not stored, or if the failure of an earlier job was stored.
        status = CASE WHEN status = 'running' THEN status ELSE 'dispatched' END,
        outcome = NULL, reason = NULL, untaken = 0, lost_why = NULL,
        agent_name = coalesce($4::text, agent_name),
        livekit_url = coalesce($5::text, livekit_url)
    WHERE interview_id = $1 AND {NOT_OVER}
        AND protocol <= {PROTOCOL} AND ($6::text IS NULL OR room = $6::text)
        AND (lease_job IS NULL OR lease_job = $2 OR {EXPIRED})
    RETURNING interview_id, token
), held AS (
    INSERT INTO leases (interview_id, token, job_id, lease_s, expires)
    SELECT interview_id, token, $2::text, $3::float8,
        {NOW} + make_interval(secs => $3::float8) FROM taken
    ON CONFLICT (interview_id) DO UPDATE SET token = excluded.token, job_id = excluded.job_id,
        worker_id = CASE WHEN leases.job_id = excluded.job_id THEN leases.worker_id END,
        lease_s = excluded.lease_s, expires = excluded.expires
), job AS (
    INSERT INTO jobs (job_id, interview_id, token)
    SELECT $2::text, interview_id, token FROM taken
    ON CONFLICT (job_id) DO UPDATE SET
        interview_id = coalesce(jobs.interview_id, excluded.interview_id),
        token = greatest(jobs.token, excluded.token)
)
SELECT (SELECT token FROM taken) AS taken, token, lease_job, ({NOT_OVER}) AS is_open,
    protocol, room, {CANCELLED} AS cancelled
FROM interviews WHERE interview_id = $1
"""


async def take_lease(
    db: Database,
    interview_id: str,
    *,
    job_id: str,
    lease_s: float,
    room: str | None = None,
    scope: Scope | None = None,
    budget_s: float = BUDGET_S,
) -> int | None:
    """Take the interview's lease for `lease_s` seconds; return the fencing token.

    Each job that takes the lease gets a higher token. A job that already holds the lease keeps its
    token. `room` is the job's room, which must be the interview's room; with None the rooms are not
    compared. With `scope`, the interview belongs to the workers of that scope from now on. Return
    None if the interview is over or does not exist. Raises LeaseRefused if the interview has
    another room or a newer protocol, or if another open interview of the LiveKit server of `scope`
    has the same room. Raises InterviewCancelled if the interview was cancelled, LeaseHeld if
    another job's lease is live, and DatabaseUnavailable or DatabaseOperationFailed if the database
    operation fails.
    """
    agent_name, livekit = (scope.agent_name, scope.livekit) if scope is not None else (None, None)
    parameters = (interview_id, job_id, lease_s, agent_name, livekit, room)
    row: Row | None = None
    for _ in range(_ATTEMPTS):
        row = await _take_once(db, parameters, budget_s=budget_s)
        if row is not None and (problem := problem_of(row["protocol"], row["room"], room)):
            raise LeaseRefused(problem)
        if row is not None and row["cancelled"]:
            raise InterviewCancelled("the interview was cancelled")
        if row is None or (row["taken"] is None and not row["is_open"]):
            return None
        if row["taken"] is not None:
            return int(row["taken"])
        if row["lease_job"] not in (None, job_id):
            break
    raise LeaseHeld(int(row["token"]) if row is not None else 0)


async def _take_once(
    db: Database, parameters: tuple[object, ...], *, budget_s: float
) -> Row | None:
    """Try to take a lease once; return the result, or None if the interview does not exist.

    Raises LeaseRefused if another open interview of the job's LiveKit server has the room. Such a
    conflict is possible if an earlier version created the interview without storing the interview's
    LiveKit server.
    """
    try:
        found = await db.fetch("take_lease", _TAKE, *parameters, budget_s=budget_s, often=True)
    except DatabaseOperationFailed as error:
        if not error.violates(ONE_IN_ROOM):
            raise
        raise LeaseRefused("another open interview of this LiveKit server has the room") from error
    return found[0] if found else None


def problem_of(protocol: int, room: str, job_room: str | None) -> str | None:
    """Return why a job must not hold an interview, as a sentence; None if the job may hold it.

    `protocol` and `room` belong to the interview. `job_room` is the room of the job; None to accept
    any room.
    """
    if protocol > PROTOCOL:
        return f"the interview has protocol {protocol}, and this version understands {PROTOCOL}"
    if job_room is not None and room != job_room:
        return "the interview that the dispatch names has another room"
    return None


_KEEP: Final = f"""
WITH restored AS (
    UPDATE interviews SET token = $3, lease_job = $2, status = 'running', outcome = NULL,
        reason = NULL
    WHERE interview_id = $1 AND token < $3 AND {ROOM_FREE} RETURNING interview_id
), held_again AS (
    INSERT INTO leases (interview_id, token, job_id, lease_s, expires)
    SELECT interview_id, $3::bigint, $2::text, $4::float8,
        {NOW} + make_interval(secs => $4::float8) FROM restored
    ON CONFLICT (interview_id) DO UPDATE SET token = excluded.token, job_id = excluded.job_id,
        worker_id = NULL, lease_s = excluded.lease_s, expires = excluded.expires
), renewed AS (
    UPDATE leases SET expires = {NOW} + make_interval(secs => $4::float8), lease_s = $4::float8
    WHERE interview_id = $1 AND job_id = $2 AND token = $3
        AND expires < {NOW} + make_interval(secs => $4::float8 * {_ENOUGH})
        AND NOT EXISTS (SELECT FROM restored)
)
SELECT token, lease_job, {CANCELLED} AS cancelled FROM interviews WHERE interview_id = $1
"""


async def keep_lease(
    db: Database,
    interview_id: str,
    *,
    job_id: str,
    token: int,
    lease_s: float,
    budget_s: float = BUDGET_S,
) -> Holder | None:
    """Return the holder of the interview's lease; None if the interview does not exist.

    The job's worker normally renews the lease. If this job still holds the lease with `token` and
    the last renewal is too old, the worker is stalled, and this function renews the lease. If the
    token in the database is lower than `token`, the database was restored from a backup. The
    function then returns the holder that the backup contained, and stores this job's lease and
    token again, unless another open interview has the room. Raises DatabaseUnavailable or
    DatabaseOperationFailed if the database operation fails.
    """
    found = await db.fetch(
        "keep_lease", _KEEP, *(interview_id, job_id, token, lease_s), budget_s=budget_s, often=True
    )
    if not found:
        return None
    row = found[0]
    return Holder(token=row["token"], job_id=row["lease_job"], cancelled=row["cancelled"])


_RELEASE: Final = """
UPDATE interviews SET lease_job = NULL
WHERE interview_id = $1 AND EXISTS (
    SELECT FROM jobs WHERE jobs.job_id = interviews.lease_job AND jobs.outcome IS NOT NULL
)
"""


async def release_ended(connection: Connection, interview_id: str) -> None:
    """Release the interview's lease immediately if the job that holds the lease has ended.

    A trigger of the database then deletes the lease's row in the table `leases`.
    """
    await connection.execute(_RELEASE, interview_id)
