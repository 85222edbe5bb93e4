"""Leases of interviews: take, renew, check and release. Times come from the database's clock.

A lease is live until it expires. If no worker has reached the database for half a lease duration,
no lease expires. From the time at which a worker reaches the database again, no lease expires for
one whole lease duration.
docs/explanation/continuity.md explains the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from states import Outcome, Reason
from worker.store.database import BUDGET_S

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.store.connection import Connection
    from worker.store.database import Database

#: Longest plausible time until a lease expires, in lease durations. A lease with a later expiry
#: counts as expired, because it was written before the database's clock was set back.
_FAR: Final = 10
#: Time in lease durations. If no worker has reached the database for longer than this time, all
#: workers count as cut off from the database, and no lease expires.
_GAP: Final = 0.5


def expired(lease_s: str) -> str:
    """Return the SQL condition that the lease of a row has expired.

    `lease_s` is the placeholder of the query parameter with the lease duration in seconds, such as
    `$1`.
    """
    now, lease = "clock_timestamp()", f"make_interval(secs => {lease_s})"
    return (
        f"(lease_job IS NOT NULL AND lease_expires NOT BETWEEN {now} AND {now} + {_FAR} * {lease}"
        f" AND EXISTS (SELECT FROM lease_contact WHERE calm_until NOT BETWEEN {now} AND {now}"
        f" + {_FAR} * {lease} AND seen BETWEEN {now} - {_GAP} * {lease} AND {now} + {lease}))"
    )


class LeaseHeld(Exception):
    """Raised when another job holds the interview's lease.

    Attributes:
        token: The fencing token of the job that holds the lease.
    """

    def __init__(self, token: int) -> None:
        self.token = token
        super().__init__(f"another job holds the interview's lease (token {token})")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Current fencing token of an interview, and the job that holds the interview's lease."""

    token: int
    #: Id of the job that holds the lease; None while no job holds the lease.
    job_id: str | None


#: SQL condition under which a job may take an interview's lease: the interview is not over. The
#: property `Interview.is_over` has the same rule.
_NOT_OVER: Final = (
    "(status <> 'ended' OR outcome = 'failed' OR (outcome, reason) = "
    f"('{Outcome.CANCELLED}', '{Reason.SHUTDOWN_REQUESTED}'))"
)


#: SQL statement that stores a job's fencing token in the job's row. With the stored token
#: `interview_status.settle` can ignore the end of a job that has lost its lease, even if the job
#: itself never received the token.
_JOB_OF_LEASE: Final = (
    "INSERT INTO jobs (job_id, interview_id, token) VALUES ($1, $2, $3)"
    " ON CONFLICT (job_id) DO UPDATE SET"
    " interview_id = coalesce(jobs.interview_id, excluded.interview_id),"
    " token = greatest(jobs.token, excluded.token)"
)


async def take_lease(
    db: Database, interview_id: str, *, job_id: str, lease_s: float, budget_s: float = BUDGET_S
) -> int | None:
    """Take the interview's lease for `lease_s` seconds; return the fencing token.

    Each job that takes the lease gets a higher token. A job that already holds the lease keeps its
    token. Return None if the interview is over or does not exist. Raises LeaseHeld if another job's
    lease is live, and DatabaseUnavailable or DatabaseOperationFailed if the database operation
    fails.
    """
    # Use a single statement, so that a concurrent job waits for the row lock and then sees this
    # job's write.
    take = (
        "UPDATE interviews SET token = token + (lease_job IS DISTINCT FROM $2)::integer,"
        " lease_job = $2, lease_worker = NULL,"
        " lease_expires = clock_timestamp() + make_interval(secs => $3),"
        # An interviewer is joining now. Therefore the status becomes "dispatched", even if the
        # dispatch was not stored, or if the failure of an earlier job was stored.
        " status = CASE WHEN status = 'running' THEN status ELSE 'dispatched' END,"
        " outcome = NULL, reason = NULL, untaken = 0"
        f" WHERE interview_id = $1 AND {_NOT_OVER}"
        f" AND (lease_job IS NULL OR lease_job = $2 OR {expired('$3')}) RETURNING token"
    )

    async def operation(connection: Connection) -> int | None:
        token = await connection.fetchval(take, interview_id, job_id, lease_s)
        if token is not None:
            await connection.execute(_JOB_OF_LEASE, job_id, interview_id, token)
            return int(token)
        other = await connection.fetchval(
            "SELECT token FROM interviews WHERE interview_id = $1 AND lease_job <> $2"
            f" AND {_NOT_OVER}",
            interview_id,
            job_id,
        )
        if other is not None:
            raise LeaseHeld(int(other))
        return None

    return await db.run("take_lease", operation, budget_s=budget_s)


async def renew_leases(
    db: Database,
    job_ids: Collection[str],
    *,
    worker_id: str,
    lease_s: float,
    budget_s: float = BUDGET_S,
) -> set[str]:
    """Renew the leases of the jobs `job_ids`, and record that a worker reached the database.

    One SQL statement renews the leases and records the contact. Return the ids of those jobs in
    `job_ids` that hold a lease. Raises DatabaseUnavailable or DatabaseOperationFailed if the
    database operation fails.
    """
    renew = (
        "WITH contact AS ("
        " UPDATE lease_contact SET seen = clock_timestamp(), calm_until = CASE"
        f" WHEN seen BETWEEN clock_timestamp() - {_GAP} * make_interval(secs => $3)"
        " AND clock_timestamp() + make_interval(secs => $3) THEN calm_until"
        " ELSE clock_timestamp() + make_interval(secs => $3) END)"
        " UPDATE interviews SET lease_worker = $2,"
        " lease_expires = clock_timestamp() + make_interval(secs => $3)"
        " WHERE lease_job = ANY($1::text[]) RETURNING lease_job"
    )
    rows = await db.run(
        "renew_leases",
        lambda connection: connection.fetch(renew, list(job_ids), worker_id, lease_s),
        budget_s=budget_s,
    )
    return {row["lease_job"] for row in rows}


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
    less than half of the lease duration is left, the worker is stalled, and this function renews
    the lease. If the token in the database is lower than `token`, the database was restored from a
    backup. In that case the function stores this job's lease and token again, and returns the
    holder that the backup contained. Raises DatabaseUnavailable or DatabaseOperationFailed if the
    database operation fails.
    """
    keep = (
        "WITH kept AS ("
        " UPDATE interviews SET lease_expires = clock_timestamp() + make_interval(secs => $4),"
        " token = $3, lease_job = $2,"
        " status = CASE WHEN token < $3 THEN 'running' ELSE status END,"
        " outcome = CASE WHEN token < $3 THEN NULL ELSE outcome END,"
        " reason = CASE WHEN token < $3 THEN NULL ELSE reason END"
        " WHERE interview_id = $1 AND (token < $3 OR (lease_job = $2 AND token = $3"
        " AND lease_expires < clock_timestamp() + make_interval(secs => $4 / 2))))"
        " SELECT token, lease_job FROM interviews WHERE interview_id = $1"
    )
    row = await db.run(
        "keep_lease",
        lambda connection: connection.fetchrow(keep, interview_id, job_id, token, lease_s),
        budget_s=budget_s,
    )
    return None if row is None else Holder(token=row["token"], job_id=row["lease_job"])


async def release_ended(connection: Connection, interview_id: str) -> None:
    """Release the interview's lease immediately if the job that holds the lease has ended."""
    await connection.execute(
        "UPDATE interviews SET lease_job = NULL, lease_worker = NULL, lease_expires = NULL"
        " WHERE interview_id = $1 AND EXISTS (SELECT FROM jobs"
        " WHERE jobs.job_id = interviews.lease_job AND jobs.outcome IS NOT NULL)",
        interview_id,
    )
