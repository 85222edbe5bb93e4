"""Queries for single journal records of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.database import BUDGET_S
from worker.store.journal_rows import storable

if TYPE_CHECKING:
    from worker.store.database import Database


async def last_seq(
    db: Database, job_id: str, *, but: str, budget_s: float = BUDGET_S
) -> int | None:
    """Return the highest `seq` of the job's stored records that are not of kind `but`.

    Return None if no such record is stored. Raises DatabaseUnavailable or DatabaseOperationFailed
    if the database operation fails.
    """
    last = await db.run(
        "last_seq",
        lambda connection: connection.fetchval(
            "SELECT max(seq) FROM job_records WHERE job_id = $1 AND kind <> $2",
            storable(job_id),
            but,
        ),
        budget_s=budget_s,
    )
    return None if last is None else int(last)
