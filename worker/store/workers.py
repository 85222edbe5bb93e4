"""Table of live workers, which could take over an interview. Times use the database's clock.

Every public function takes a time budget in seconds, and raises DatabaseUnavailable or
DatabaseOperationFailed if the database operation fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.store.database import BUDGET_S
from worker.store.orphans import TRIES

if TYPE_CHECKING:
    from worker.store.database import Database

#: Seconds without a heartbeat after which the row of a worker is removed.
_FORGOTTEN_S: Final = 60
_NOW: Final = "clock_timestamp()"


@dataclass(frozen=True, kw_only=True)
class Peers:
    """The peers of one worker: all other live workers with the same agent name."""

    #: Number of peers, including those that take no jobs at the moment.
    workers: int
    #: Total free slots of the peers that take jobs.
    seats: int


def _seen(fresh_s: str) -> str:
    """Return the SQL condition that a worker's heartbeat is at most `fresh_s` seconds old.

    `fresh_s` is the placeholder of a query parameter, such as `$3`.
    """
    period = f"make_interval(secs => {fresh_s})"
    return f"seen BETWEEN {_NOW} - {period} AND {_NOW} + {period}"


def _there(fresh_s: str) -> str:
    """Return the SQL condition that a worker takes jobs and fulfils `_seen(fresh_s)`."""
    return f"takes_jobs AND {_seen(fresh_s)}"


async def note_worker(
    db: Database,
    worker_id: str,
    *,
    agent_name: str,
    takes_jobs: bool,
    free_slots: int,
    budget_s: float = BUDGET_S,
) -> None:
    """Write this worker's heartbeat.

    Remove the row of every other worker whose last heartbeat is older than `_FORGOTTEN_S` seconds.
    """
    note = (
        "WITH forgotten AS (DELETE FROM workers WHERE worker_id <> $1"
        f" AND seen < {_NOW} - interval '{_FORGOTTEN_S} s')"
        " INSERT INTO workers (worker_id, agent_name, takes_jobs, free_slots)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (worker_id) DO UPDATE SET"
        f" seen = {_NOW}, agent_name = excluded.agent_name,"
        " takes_jobs = excluded.takes_jobs, free_slots = excluded.free_slots"
    )
    await db.run(
        "note_worker",
        lambda connection: connection.execute(note, worker_id, agent_name, takes_jobs, free_slots),
        budget_s=budget_s,
    )


async def drop_worker(db: Database, worker_id: str, *, budget_s: float = BUDGET_S) -> None:
    """Delete this worker's row from the table."""
    await db.run(
        "drop_worker",
        lambda connection: connection.execute(
            "DELETE FROM workers WHERE worker_id = $1", worker_id
        ),
        budget_s=budget_s,
    )


async def other_workers(
    db: Database,
    agent_name: str,
    *,
    besides: str,
    fresh_s: float,
    budget_s: float = BUDGET_S,
) -> Peers:
    """Count the workers of `agent_name` other than `besides`, and the free slots of these workers.

    A worker counts if its heartbeat is at most `fresh_s` seconds old.
    """
    count = (
        "SELECT count(*) AS workers,"
        " coalesce(sum(free_slots) FILTER (WHERE takes_jobs), 0) AS seats FROM workers"
        f" WHERE agent_name = $1 AND worker_id <> $2 AND {_seen('$3')}"
    )
    (found,) = await db.run(
        "other_workers",
        lambda connection: connection.fetch(count, agent_name, besides, fresh_s),
        budget_s=budget_s,
    )
    return Peers(workers=found["workers"], seats=int(found["seats"]))


async def can_be_followed(
    db: Database,
    job_id: str,
    *,
    agent_name: str,
    fresh_s: float,
    failed_tries: int | None,
    budget_s: float = BUDGET_S,
) -> bool:
    """Return whether a worker can take over the interview whose lease the job `job_id` holds.

    Args:
        db: The database.
        job_id: The job that holds the lease.
        agent_name: The agent name of the job's dispatch.
        fresh_s: Maximum age of a heartbeat, in seconds.
        failed_tries: The maximum number of redispatches if the job has failed; None if the job's
            worker asked the job to end. The worker of a failed job can take over the interview
            itself, even without a free slot. A worker that asked the job to end cannot take over.
        budget_s: Time budget in seconds.
    """
    ask = (
        "SELECT ($4::integer IS NULL OR tries < $4) AND EXISTS (SELECT FROM workers"
        " WHERE agent_name = $2 AND CASE WHEN worker_id = lease_worker"
        " THEN $4 IS NOT NULL ELSE free_slots > 0 END"
        f" AND {_there('$3')}) FROM (SELECT lease_worker, {TRIES} AS tries"
        " FROM interviews WHERE lease_job = $1) AS held"
    )
    found = await db.run(
        "can_be_followed",
        lambda connection: connection.fetchval(ask, job_id, agent_name, fresh_s, failed_tries),
        budget_s=budget_s,
    )
    return bool(found)
