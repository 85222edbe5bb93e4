"""The leader lock: one worker of each scope searches for orphaned interviews.

The leader lock is a row of the table `duties`. Double dispatches are prevented by the fencing token
and not by the leader lock: the statement that claims a dispatch also raises the token.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from worker.store.database import BUDGET_S
from worker.store.leases import NOW

if TYPE_CHECKING:
    from worker.store.database import Database

#: SQL statement that takes or renews the lock. The statement reads the row first, so that a worker
#: that does not get the lock locks no row.
_HOLD: Final = f"""
INSERT INTO duties (duty, worker_id, expires)
SELECT $1::text, $2::text, {NOW} + make_interval(secs => $3::float8)
WHERE NOT EXISTS (SELECT FROM duties WHERE duty = $1::text AND worker_id <> $2::text
    AND expires BETWEEN {NOW} AND {NOW} + make_interval(secs => $3::float8))
ON CONFLICT (duty) DO UPDATE SET worker_id = excluded.worker_id, expires = excluded.expires
    WHERE duties.worker_id = excluded.worker_id
        OR duties.expires NOT BETWEEN {NOW} AND excluded.expires
RETURNING true
"""


async def hold_leader_lock(
    db: Database, duty: str, *, worker_id: str, for_s: float, budget_s: float = BUDGET_S
) -> bool:
    """Take or renew a leader lock for `for_s` seconds; return False if another worker holds it.

    Raises DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """
    return bool(await db.fetch("hold_duty", _HOLD, duty, worker_id, for_s, budget_s=budget_s))


async def drop_leader_locks(
    db: Database, duties: Collection[str], *, worker_id: str, budget_s: float = BUDGET_S
) -> None:
    """Release this worker's leader locks, so that no other worker waits for their expiry.

    Raises DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """
    await db.fetch(
        "drop_duties",
        "DELETE FROM duties WHERE duty = ANY($1::text[]) AND worker_id = $2",
        *(list(duties), worker_id),
        budget_s=budget_s,
    )
