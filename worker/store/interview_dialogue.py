"""Read the dialogue records of interviews, which are journal records of the kind `dialogue`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from worker.store.database import BUDGET_S
from worker.store.turns import (
    OWN_TURNS_AND_DIALOGUE,
    TURNS_AND_DIALOGUE,
    Turn,
    turn_from_json,
)

if TYPE_CHECKING:
    from worker.store.database import Database


#: Records of a table or function, in the order of the jobs and of the journal of each job.
_QUERY: Final = (
    "SELECT job_id, record FROM jobs JOIN {records} AS said USING (job_id)"
    " WHERE jobs.interview_id = $1 AND kind = 'dialogue'"
    " ORDER BY coalesce(jobs.token, 0), jobs.started_at, job_id, seq"
)
_ALL: Final = _QUERY.format(records="job_records")
#: The query for the database role of jobs; $2 is the pass of the interview.
_OWN: Final = _QUERY.format(records="own_records($1, $2::text)")


async def dialogue_of(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S
) -> list[tuple[str, dict[str, Any]]]:
    """Return the journal records of the kind `dialogue` of an interview, each with its job's id.

    The records are in the order of the jobs, and of the journal of each job. Raises
    DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """
    own = (db.own_pass,) if db.own_pass is not None else ()
    rows = await db.run(
        "dialogue_of",
        lambda connection: connection.fetch(_OWN if own else _ALL, interview_id, *own),
        budget_s=budget_s,
    )
    return [(row["job_id"], json.loads(row["record"])) for row in rows]


async def turns_and_dialogue_of(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S
) -> tuple[list[Turn], list[tuple[str, dict[str, Any]]]]:
    """Return what `turns_of` and `dialogue_of` return, as they were at the same moment.

    A read-only server is not asked. Raises DatabaseUnavailable or DatabaseOperationFailed if the
    database operation fails.
    """
    own = (db.own_pass,) if db.own_pass is not None else ()
    query = OWN_TURNS_AND_DIALOGUE if own else TURNS_AND_DIALOGUE
    (row,) = await db.run(
        "turns_of",
        lambda connection: connection.fetch(query, [interview_id], *own),
        budget_s=budget_s,
        writable=True,
    )
    turns, dialogue = (json.loads(row[name] or "[]") for name in ("turns", "dialogue"))
    return [turn_from_json(each) for each in turns], [(job, record) for job, record in dialogue]
