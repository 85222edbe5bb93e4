"""The heartbeat of a worker: renew its leases, update its row, and read what else it must do.

A heartbeat is one statement, because every worker sends it several times per lease. The statement
changes no row that other workers also change. Another statement (`note_contact`) stores the last
contact, that is, the time at which any worker last reached the database, at most once per quarter
of a lease duration.
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

#: Age, in lease durations, of the workers' last contact with the database from which a worker
#: writes the contact again, if no worker has shorter leases.
_CONTACT_AGE: Final = 0.25
#: Number of heartbeats beyond `_CONTACT_AGE` without a new contact after which all workers count as
#: cut off from the database, so that no lease expires. With the default settings that is after half
#: a lease: 0.75 s and 1.5 heartbeats of 0.5 s.
_GAP: Final = 1.5
#: Quarter of the shortest lease that the settings allow (INTERVIEW_LEASE_S), in seconds.
_SHORTEST_AGE_S: Final = 0.75
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
    """The values that a worker's heartbeat reads from the database."""

    #: Ids of those jobs of the worker that hold a lease.
    held: frozenset[str]
    #: True if `note_contact` must now record that the workers reach the database.
    contact_is_due: bool
    #: True if this worker is the leader of its scope, or if no worker is the leader.
    may_lead: bool


def _contact_age(lease_s: str, every_s: str) -> str:
    """Return SQL for the age at which the stored time of the last contact must be replaced.

    The age is a quarter of the worker's own lease duration, or of the shortest lease of the fleet,
    from which the stored gap (`gap_s`) is computed. If the age were higher, the workers could not
    notice an outage in which only the shorter leases expire.
    """
    return (
        f"make_interval(secs => least({lease_s}::float8 * {_CONTACT_AGE},"
        f" greatest(gap_s - {every_s}::float8 * {_GAP}, {_SHORTEST_AGE_S})))"
    )


def _beat_statement(*, with_row: bool) -> str:
    """Return the heartbeat's SQL statement; if `with_row`, it also writes the worker's row.

    PostgreSQL parses and plans the statement each time, which takes longer than its execution.
    Therefore a heartbeat that does not write the worker's row uses a shorter statement.
    """
    noted = f"""
), noted AS (
    INSERT INTO workers (worker_id, agent_name, livekit_url, takes_jobs, free_slots)
    VALUES ($2::text, $6::text, $7::text, $8::boolean, $9::integer)
    ON CONFLICT (worker_id) DO UPDATE SET seen = {NOW}, agent_name = excluded.agent_name,
        livekit_url = excluded.livekit_url, takes_jobs = excluded.takes_jobs,
        -- An interview that arrives uses a slot that was reserved for it.
        reserved = greatest(
            0, workers.reserved - greatest(0, workers.free_slots - excluded.free_slots)),
        free_slots = excluded.free_slots"""
    return f"""
WITH renewed AS (
    UPDATE leases SET worker_id = $2::text, lease_s = $3::float8,
        expires = {NOW} + make_interval(secs => $3::float8)
    WHERE job_id = ANY($1::text[]) RETURNING job_id{noted if with_row else ""}
)
SELECT ARRAY(SELECT job_id FROM renewed) AS held,
    NOT EXISTS (SELECT FROM lease_contact WHERE seen BETWEEN
        {NOW} - {_contact_age("$3", "$5")} AND {NOW}) AS contact_is_due,
    NOT EXISTS (SELECT FROM duties WHERE duty = $4 AND worker_id <> $2
        AND expires BETWEEN {NOW} AND {NOW} + interval '{_LONGEST_DUTY_S} s') AS may_lead
"""


_BEAT: Final = _beat_statement(with_row=False)
_BEAT_WITH_ROW: Final = _beat_statement(with_row=True)


async def beat(
    db: Database,
    job_ids: Collection[str],
    *,
    worker_id: str,
    scope: Scope,
    lease_s: float,
    every_s: float,
    row: WorkerRow | None,
    budget_s: float = BUDGET_S,
) -> Beat:
    """Renew the leases of the jobs `job_ids`, and write `row` unless it is None.

    `every_s` is the interval of the worker's heartbeats, in seconds. Raises DatabaseUnavailable or
    DatabaseOperationFailed if the database operation fails.
    """
    own = (list(job_ids), worker_id, lease_s, scope.duty, every_s)
    if row is None:
        (found,) = await db.fetch("renew_leases", _BEAT, *own, budget_s=budget_s, often=True)
    else:
        (found,) = await db.fetch(
            "renew_leases",
            _BEAT_WITH_ROW,
            *own,
            *(scope.agent_name, scope.livekit, row.takes_jobs, row.free_slots),
            budget_s=budget_s,
            often=True,
        )
    return Beat(
        held=frozenset(found["held"]),
        contact_is_due=found["contact_is_due"],
        may_lead=found["may_lead"],
    )


#: The shortest lease of the fleet decides how long a gap must be, because a worker with longer
#: leases may be the first that is back after an outage. A row that no worker renews any more does
#: not count, and a lease below the minimum of the settings counts as the minimum. `FOR UPDATE SKIP
#: LOCKED`: of several workers one writes, and no worker waits for another one.
_CONTACT: Final = f"""
WITH due AS (
    SELECT one_row FROM lease_contact
    WHERE seen NOT BETWEEN {NOW} - {_contact_age("$1", "$2")} AND {NOW}
    FOR UPDATE SKIP LOCKED
), held AS (
    SELECT min(greatest(lease_s, {_SHORTEST_AGE_S / _CONTACT_AGE})) * {_CONTACT_AGE}
        + $2::float8 * {_GAP} AS gap_s
    FROM leases WHERE expires > {NOW} - interval '1 hour'
)
UPDATE lease_contact SET seen = {NOW},
    gap_s = least($1::float8 * {_CONTACT_AGE} + $2::float8 * {_GAP}, held.gap_s),
    calm_since = CASE WHEN seen
        BETWEEN {NOW} - make_interval(secs => least(lease_contact.gap_s, held.gap_s)) AND {NOW}
        THEN calm_since ELSE {NOW} END
FROM due, held WHERE lease_contact.one_row = due.one_row
"""


async def note_contact(
    db: Database, *, lease_s: float, every_s: float, budget_s: float = BUDGET_S
) -> None:
    """Store the current time as the workers' last contact, unless a recent contact is stored.

    `every_s` is the interval of the worker's heartbeats, in seconds. If the previous contact is too
    old, that is, after an outage, no lease expires for one lease duration from now. Raises
    DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """
    await db.fetch("note_contact", _CONTACT, lease_s, every_s, budget_s=budget_s, often=True)
