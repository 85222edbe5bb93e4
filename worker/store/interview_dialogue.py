"""Read the dialogue records of interviews, which are journal records of the kind `dialogue`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from worker.store.database import BUDGET_S

if TYPE_CHECKING:
    from worker.store.database import Database


async def dialogue_of(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S
) -> list[tuple[str, dict[str, Any]]]:
    """Return the journal records of the kind `dialogue` of an interview, each with its job's id.

    The records are in the order of the jobs, and of the journal of each job. Raises
    DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """
    rows = await db.fetch(
        "dialogue_of",
        "SELECT job_id, record FROM jobs JOIN job_records USING (job_id)"
        " WHERE jobs.interview_id = $1 AND kind = 'dialogue'"
        " ORDER BY coalesce(jobs.token, 0), jobs.started_at, job_id, seq",
        interview_id,
        budget_s=budget_s,
    )
    return [(row["job_id"], json.loads(row["record"])) for row in rows]
