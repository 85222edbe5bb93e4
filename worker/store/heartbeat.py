"""The heartbeat of a worker: renew its leases, write its row, and read its other duties.

A heartbeat is one statement, because every worker sends it several times per lease. The statement
changes no row that other workers also change. The common contact of all workers is written by
another statement, at most once per quarter of a lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.store.database import BUDGET_S
from worker.store.leases import NOW

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.store.database import Database
    from worker.store.scope import Scope

#: Age of the workers' last contact with the database, as a share of the lease duration, at which a
#: worker writes the contact again.
_CONTACT_AGE: Final = 0.25
#: Number of heartbeats beyond `_CONTACT_AGE` without a new contact after which all workers count as
#: cut off from the database, so that no lease expires. With the default settings that is after half
#: a lease: 0.75 s and 1.5 heartbeats of 0.5 s.
_GAP: Final = 1.5
#: Seconds after which a leader lock has certainly expired: the longest interval between two scans
#: (INTERVIEW_WATCH_S, 60 s at most) and the spare time. A leader lock that expires even later was
#: written before the database's clock was set back.
_LONGEST_DUTY_S: Final = 70


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """What a worker writes about itself into the table `workers`."""

    takes_jobs: bool
    free_slots: int


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What a worker learns from its heartbeat."""

    #: Ids of those jobs of the worker that hold a lease.
    held: frozenset[str]
    #: True if `note_contact` must now record that the workers reach the database.
    contact_is_due: bool
    #: True if this worker is the leader of its scope, or if no worker is the leader.
    may_lead: bool


_BEAT: Final = f"""
WITH renewed AS (
    UPDATE leases SET worker_id = $2::text, lease_s = $3::float8,
        expires = {NOW} + make_interval(secs => $3::float8)
    WHERE job_id = ANY($1::text[]) RETURNING job_id
), noted AS (
    INSERT INTO workers (worker_id, agent_name, livekit_url, takes_jobs, free_slots)
    SELECT $2::text, $4::text, $5::text, $6::boolean, $7::integer WHERE $6::boolean IS NOT NULL
    ON CONFLICT (worker_id) DO UPDATE SET seen = {NOW}, agent_name = excluded.agent_name,
        livekit_url = excluded.livekit_url, takes_jobs = excluded.takes_jobs,
        -- An interview that arrives uses a slot that was reserved for it.
        reserved = greatest(
            0, workers.reserved - greatest(0, workers.free_slots - excluded.free_slots)),
        free_slots = excluded.free_slots
)
SELECT ARRAY(SELECT job_id FROM renewed) AS held,
    NOT EXISTS (SELECT FROM lease_contact WHERE seen BETWEEN
        {NOW} - make_interval(secs => $3::float8 * {_CONTACT_AGE}) AND {NOW}) AS contact_is_due,
    NOT EXISTS (SELECT FROM duties WHERE duty = $8 AND worker_id <> $2
        AND expires BETWEEN {NOW} AND {NOW} + interval '{_LONGEST_DUTY_S} s') AS may_lead
"""


async def beat(
    db: Database,
    job_ids: Collection[str],
    *,
    worker_id: str,
    scope: Scope,
    lease_s: float,
    row: WorkerRow | None,
    budget_s: float = BUDGET_S,
) -> Beat:
    """Renew the leases of the jobs `job_ids`, and write `row` unless it is None.

    Raises DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """
    (found,) = await db.fetch(
        "renew_leases",
        _BEAT,
        *(list(job_ids), worker_id, lease_s, scope.agent_name, scope.livekit),
        *((row.takes_jobs, row.free_slots) if row is not None else (None, None)),
        scope.duty,
        budget_s=budget_s,
    )
    return Beat(
        held=frozenset(found["held"]),
        contact_is_due=found["contact_is_due"],
        may_lead=found["may_lead"],
    )


#: SQL statement that writes the contact. With `FOR UPDATE SKIP LOCKED`, only one of several workers
#: writes, and none waits for another.
_CONTACT: Final = f"""
WITH due AS (
    SELECT one_row FROM lease_contact
    WHERE seen NOT BETWEEN {NOW} - make_interval(secs => $1::float8 * {_CONTACT_AGE}) AND {NOW}
    FOR UPDATE SKIP LOCKED
)
UPDATE lease_contact SET seen = {NOW}, gap_s = $1::float8 * {_CONTACT_AGE} + $2::float8 * {_GAP},
    calm_since = CASE WHEN seen BETWEEN {NOW} - make_interval(secs => gap_s) AND {NOW}
        THEN calm_since ELSE {NOW} END
FROM due WHERE lease_contact.one_row = due.one_row
"""


async def note_contact(
    db: Database, *, lease_s: float, every_s: float, budget_s: float = BUDGET_S
) -> None:
    """Record that a worker reached the database, if the last record is a quarter of a lease old.

    `every_s` is the interval of the worker's heartbeats, in seconds. After a gap in the contact,
    the calm begins, in which no lease expires. Raises DatabaseUnavailable or
    DatabaseOperationFailed if the database operation fails.
    """
    await db.fetch("note_contact", _CONTACT, lease_s, every_s, budget_s=budget_s)
