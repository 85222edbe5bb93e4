"""The lease of an interview: taken, renewed, lost. This database's clock decides, no other.

A lease is live until it expires, and none expires while no worker was in contact with the
database for half a lease, nor for one whole lease after that: see docs/continuity.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from states import Outcome, Reason
from worker.store.pool import BUDGET_S

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.store.connection import Connection
    from worker.store.pool import Database

#: A lease that ends later than so many leases from now was written by another clock.
_FAR: Final = 10
#: Workers are in contact all the time; after so much of a lease without any, all were cut off.
_GAP: Final = 0.5


def expired(lease_s: str) -> str:
    """SQL that says whether a row's lease has expired. `lease_s` is the parameter in seconds."""
    now, lease = "clock_timestamp()", f"make_interval(secs => {lease_s})"
    return (
        f"(lease_job IS NOT NULL AND lease_expires NOT BETWEEN {now} AND {now} + {_FAR} * {lease}"
        f" AND EXISTS (SELECT FROM lease_contact WHERE calm_until NOT BETWEEN {now} AND {now}"
        f" + {_FAR} * {lease} AND seen BETWEEN {now} - {_GAP} * {lease} AND {now} + {lease}))"
    )


class LeaseHeld(Exception):
    """Another job holds the interview's lease, or has taken it since.

    Attributes:
        token: The other's fencing token.
    """

    def __init__(self, token: int) -> None:
        self.token = token
        super().__init__(f"another job holds the interview, with token {token}")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Whose an interview is at this moment."""

    token: int
    #: None between two of them.
    job_id: str | None


#: Nobody takes the lease of an interview that is over; see `Interview.is_over`.
_NOT_OVER: Final = (
    "(status <> 'ended' OR outcome = 'failed' OR (outcome, reason) = "
    f"('{Outcome.CANCELLED}', '{Reason.SHUTDOWN_REQUESTED}'))"
)


#: The row of a job and its token: by it the job's end is known for an old one's later on, also
#: where the job itself never learned of the token.
_JOB_OF_LEASE: Final = (
    "INSERT INTO jobs (job_id, interview_id, token) VALUES ($1, $2, $3)"
    " ON CONFLICT (job_id) DO UPDATE SET"
    " interview_id = coalesce(jobs.interview_id, excluded.interview_id),"
    " token = greatest(jobs.token, excluded.token)"
)


async def take_lease(
    db: Database, interview_id: str, *, job_id: str, lease_s: float, budget_s: float = BUDGET_S
) -> int | None:
    """Take the interview's lease for `lease_s` seconds; returns the fencing token.

    The token rises with each job that takes it; the holder that takes it again keeps its own.
    None where the interview is over or does not exist. Raises LeaseHeld where another job's is
    live, DatabaseUnavailable and DatabaseOperationFailed.
    """
    # One statement: a second taker waits for the first one's row, and then judges what it wrote.
    take = (
        "UPDATE interviews SET token = token + (lease_job IS DISTINCT FROM $2)::integer,"
        " lease_job = $2, lease_worker = NULL,"
        " lease_expires = clock_timestamp() + make_interval(secs => $3),"
        # Of a dispatch that nobody noted, or after a failure: somebody comes.
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
    """Renew the leases of all these jobs in one statement, and say that a worker is in contact.

    Returns the jobs that have one. Raises DatabaseUnavailable and DatabaseOperationFailed.
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
    """Whose the interview is; None where it does not exist.

    A lease that is still this job's by this token and has less than half of its time left is
    renewed: its worker, whose business that is, must be stalled. And it is written anew where
    the database knows of no token as high as this, which it has given: it was restored from a
    backup, and what is returned then has the lower one. Raises DatabaseUnavailable and
    DatabaseOperationFailed.
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
    """Let go of the lease of a job that has ended: nobody waits for it to expire."""
    await connection.execute(
        "UPDATE interviews SET lease_job = NULL, lease_worker = NULL, lease_expires = NULL"
        " WHERE interview_id = $1 AND EXISTS (SELECT FROM jobs"
        " WHERE jobs.job_id = interviews.lease_job AND jobs.outcome IS NOT NULL)",
        interview_id,
    )
