"""Table of live workers, which could take over an interview. Times use the database's clock.

A worker that drains reserves slots of its peers before it hands interviews over. A reservation ends
when the peer reports that the slot is used (worker/store/heartbeat.py), or when its time is over.

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
#: Longest plausible time in seconds until a reservation ends. A reservation that ends later counts
#: as over, because it was written before the database's clock was set back. A reservation lasts for
#: INTERVIEW_BUDGET_CLOSING_S and INTERVIEW_CLEANUP_S (14 and 300 s at most) and a few seconds.
_FAR_S: Final = 600
_NOW: Final = "clock_timestamp()"
#: SQL expression for the slots of a row that are reserved now.
_RESERVED: Final = (
    f"CASE WHEN reserved_until BETWEEN {_NOW} AND {_NOW} + interval '{_FAR_S} s'"
    " THEN reserved ELSE 0 END"
)
#: SQL expression for the slots of a row that another worker may use.
_AVAILABLE: Final = f"CASE WHEN takes_jobs THEN greatest(0, free_slots - {_RESERVED}) ELSE 0 END"


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """The slots that a worker has reserved at its peers."""

    #: Number of peers, including those that take no jobs at the moment.
    workers: int
    #: Number of slots that were reserved; at most as many as were wanted.
    slots: int


def _seen(fresh_s: str) -> str:
    """Return the SQL condition that a worker's heartbeat is at most `fresh_s` seconds old.

    `fresh_s` is the placeholder of a query parameter, such as `$3`.
    """
    period = f"make_interval(secs => {fresh_s})"
    return f"seen BETWEEN {_NOW} - {period} AND {_NOW} + {period}"


def _same(livekit_url: str) -> str:
    """Return the SQL condition that a worker uses the LiveKit server `livekit_url`.

    `livekit_url` is the placeholder of a query parameter. An unknown address (NULL in the parameter
    or in the row) matches every server.
    """
    return f"coalesce(livekit_url = {livekit_url}, true)"


async def drop_worker(db: Database, worker_id: str, *, budget_s: float = BUDGET_S) -> None:
    """Delete this worker's row from the table."""
    await db.run(
        "drop_worker",
        lambda connection: connection.execute(
            "DELETE FROM workers WHERE worker_id = $1", worker_id
        ),
        budget_s=budget_s,
    )


#: Statement that deletes stale rows. The rows are locked in the order of their ids, as in
#: `_RESERVE`, so that no deadlock is possible. A row that another statement has locked is skipped,
#: because it belongs to a live worker or is already being deleted.
_DROP_STALE: Final = f"""
WITH stale AS (
    SELECT worker_id FROM workers WHERE seen < {_NOW} - interval '{_FORGOTTEN_S} s'
    ORDER BY worker_id FOR UPDATE SKIP LOCKED
)
DELETE FROM workers USING stale WHERE workers.worker_id = stale.worker_id
RETURNING workers.worker_id
"""


async def drop_stale_workers(db: Database, *, budget_s: float = BUDGET_S) -> int:
    """Delete the rows of workers whose last heartbeat is older than `_FORGOTTEN_S` seconds.

    Return the number of deleted rows. Only the leader calls this function, about once a minute.
    """
    return len(await db.fetch("drop_stale_workers", _DROP_STALE, budget_s=budget_s))


#: Reserve slots of the peers. Parameters: agent name, own worker id, maximum age of a heartbeat,
#: LiveKit address, wanted slots, duration of the reservation.
#:
#: `peers` locks the rows. If another worker that drains has changed a row, PostgreSQL waits for the
#: end of that statement and returns the changed row (READ COMMITTED), so the slots are counted as
#: that statement left them. `reserving` then updates the same rows. The scan of `reserving` itself
#: still sees the rows from before the wait, but PostgreSQL updates the newest version of a row, and
#: `held` and `slots` come from the locked rows.
#:
#: The slots are spread in proportion to what is available, because LiveKit spreads jobs in the same
#: way. `upto` is the running total of the available slots. A peer gets the share of its running
#: total minus the share of the running total before it, each rounded down: together exactly the
#: granted number, and for each peer at most what it has.
_RESERVE: Final = f"""
WITH peers AS (
    SELECT worker_id, {_RESERVED} AS held, {_AVAILABLE} AS available
    FROM workers
    WHERE agent_name = $1 AND worker_id <> $2 AND {_seen("$3")} AND {_same("$4::text")}
    ORDER BY worker_id FOR UPDATE
), counted AS (
    SELECT worker_id, held, available,
        sum(available) OVER (ORDER BY worker_id) AS upto, sum(available) OVER () AS total
    FROM peers
), granted AS (
    SELECT worker_id, held,
        least($5::bigint, total) * upto / total
        - least($5::bigint, total) * (upto - available) / total AS slots
    FROM counted WHERE total > 0
), reserving AS (
    UPDATE workers SET reserved = granted.held + granted.slots,
        reserved_until = greatest(
            CASE WHEN granted.held > 0 THEN workers.reserved_until END,
            {_NOW} + make_interval(secs => $6))
    FROM granted WHERE workers.worker_id = granted.worker_id AND granted.slots > 0
    RETURNING granted.slots
)
SELECT (SELECT count(*) FROM peers) AS workers,
    (SELECT coalesce(sum(slots), 0) FROM reserving) AS slots
"""


async def reserve_slots(
    db: Database,
    agent_name: str,
    *,
    besides: str,
    wanted: int,
    for_s: float,
    fresh_s: float,
    livekit_url: str | None = None,
    budget_s: float = BUDGET_S,
) -> Reserved:
    """Reserve up to `wanted` free slots of the other workers of `agent_name`.

    A single statement counts and reserves the slots, so that two workers that drain at the same
    time never get the same slot. If the answer of the database is lost and the statement is sent
    again, more slots than wanted may be reserved until `for_s` seconds have passed.

    Args:
        db: The database.
        agent_name: The agent name of the interviews that are handed over.
        besides: Id of the worker that drains.
        wanted: Number of interviews to hand over; 0 only counts the workers.
        for_s: Seconds for which a slot stays reserved if no interview arrives.
        fresh_s: Maximum age of a heartbeat, in seconds.
        livekit_url: The LiveKit server of the interviews, in the form that workers store; None if
            all workers use the same server.
        budget_s: Time budget in seconds.
    """
    (found,) = await db.fetch(
        "reserve_slots",
        _RESERVE,
        *(agent_name, besides, fresh_s, livekit_url, wanted, for_s),
        budget_s=budget_s,
    )
    return Reserved(workers=found["workers"], slots=int(found["slots"]))


#: Query whether a worker can take over. The worker that asked a job to end cannot take over the
#: job's interview. The worker of a failed job can, even without another free slot.
_CAN_BE_FOLLOWED: Final = f"""
SELECT ($4::integer IS NULL OR tries < $4) AND EXISTS (
    SELECT FROM workers
    WHERE agent_name = $2 AND takes_jobs AND {_seen("$3")} AND {_same("$5::text")}
        AND CASE WHEN worker_id = lease_worker THEN $4 IS NOT NULL ELSE {_AVAILABLE} > 0 END
) AS can_be_followed
FROM (
    SELECT leases.worker_id AS lease_worker, {TRIES} AS tries
    FROM leases JOIN interviews USING (interview_id) WHERE leases.job_id = $1
) AS held
"""


async def can_be_followed(
    db: Database,
    job_id: str,
    *,
    agent_name: str,
    fresh_s: float,
    failed_tries: int | None,
    livekit_url: str | None = None,
    budget_s: float = BUDGET_S,
) -> bool:
    """Return whether a worker can take over the interview whose lease the job `job_id` holds.

    Slots that are reserved for interviews of other workers do not count as free.

    Args:
        db: The database.
        job_id: The job that holds the lease.
        agent_name: The agent name of the job's dispatch.
        fresh_s: Maximum age of a heartbeat, in seconds.
        failed_tries: The maximum number of redispatches if the job has failed; None if the job's
            worker asked the job to end.
        livekit_url: The LiveKit server of the interview, in the form that workers store; None if
            all workers use the same server.
        budget_s: Time budget in seconds.
    """
    found = await db.fetch(
        "can_be_followed",
        _CAN_BE_FOLLOWED,
        *(job_id, agent_name, fresh_s, failed_tries, livekit_url),
        budget_s=budget_s,
    )
    return bool(found and found[0]["can_be_followed"])
