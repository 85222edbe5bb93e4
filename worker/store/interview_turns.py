"""Read the turns of interviews.

The class of a stored turn is in the module `turns`. Every function takes a time budget in seconds,
and raises `DatabaseUnavailable` or `DatabaseOperationFailed` if the database operation fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.database import BUDGET_S
from worker.store.turns import OWN_TURNS, TURNS, Turn, turn_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.store.database import Database


async def turns_of(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S, writable: bool = False
) -> list[Turn]:
    """Return every turn of the interview, ordered by job and then by position in the journal.

    The turns of two jobs are not ordered by time, because the clocks of two machines differ. If the
    candidate's answer is in progress, or was in progress when its job died, the answer is the last
    turn of that job and is marked as interrupted. With `writable`, a read-only server is not asked,
    because it may lack the last turns (`Database.run`).
    """
    rows = await db.run(
        "turns_of",
        lambda connection: connection.fetch(*_turns_statement(db, interview_id)),
        budget_s=budget_s,
        writable=writable,
    )
    return [turn_of(row) for row in rows]


async def turns_of_all(
    db: Database, interview_ids: Collection[str], *, budget_s: float = BUDGET_S
) -> dict[str, list[Turn]]:
    """Return the turns of several interviews, each as `turns_of` does, by interview id.

    A read-only server is not asked, because it may lack the last turns.
    """
    rows = await db.run(
        "turns_of",
        lambda connection: connection.fetch(*_turns_statement(db, *interview_ids)),
        budget_s=budget_s,
        writable=True,
    )
    turns: dict[str, list[Turn]] = {each: [] for each in interview_ids}
    for turn in map(turn_of, rows):
        turns[turn.interview_id or ""].append(turn)
    return turns


async def typed_turns(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S
) -> frozenset[tuple[str, int]]:
    """Return the job id and the seq of each turn that the candidate has typed.

    The field `typed` of a turn's record is true for a typed turn. Records of version 0.1.0 lack
    this field. A turn of version 0.1.0 counts as typed if the turn was not interrupted, and the
    record has neither the number of a `hearing` record nor a latency, because the record of a
    spoken turn has at least one of the two.
    """
    rows = await db.run(
        "typed_turns",
        lambda connection: connection.fetch(
            "SELECT job_id, seq FROM turns JOIN job_records USING (job_id, seq)"
            " WHERE turns.interview_id = $1 AND turns.speaker = 'candidate' AND kind = 'turn'"
            " AND CASE WHEN record ? 'typed' THEN record->'typed' = 'true'"
            " ELSE coalesce(record->'hearing', 'null') = 'null'"
            " AND coalesce(record->'latency', '{}') = '{}' AND NOT turns.interrupted END",
            interview_id,
        ),
        budget_s=budget_s,
    )
    return frozenset((row["job_id"], row["seq"]) for row in rows)


def _turns_statement(db: Database, *interview_ids: str) -> tuple[str, *tuple[object, ...]]:
    """Return the query and its parameters. A job reads only the turns of its own interview."""
    if db.own_pass is None:
        return TURNS, list(interview_ids)
    return OWN_TURNS, list(interview_ids[:1]), db.own_pass
