"""Records of a job's journal, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.journal_rows import storable
from worker.store.pool import BUDGET_S

if TYPE_CHECKING:
    from worker.store.pool import Database


async def last_seq(
    db: Database, job_id: str, *, but: str, budget_s: float = BUDGET_S
) -> int | None:
    """The number of the job's last record of another kind than `but`; None where there is none.

    Raises DatabaseUnavailable and DatabaseOperationFailed.
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
