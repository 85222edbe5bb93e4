"""Move times in the database into the past, so that leases expire without a sleep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.leases import Holder, keep_lease

if TYPE_CHECKING:
    from worker.store.database import Database

LEASE_S = 8.0


async def passes(db: Database, table: str, column: str, seconds: float) -> None:
    """Move the times of one column into the past by `seconds`."""
    statement = f"UPDATE {table} SET {column} = {column} - make_interval(secs => $1)"  # noqa: S608
    await db.run("passes", lambda c: c.execute(statement, seconds))


async def lapses(db: Database) -> None:
    """Let all leases expire."""
    await passes(db, "interviews", "lease_expires", LEASE_S + 0.1)


async def lease_holder(db: Database, interview_id: str) -> Holder | None:
    """Return the holder of an interview's lease; the query uses an unrelated job id."""
    return await keep_lease(db, interview_id, job_id="AJ_nobody", token=-1, lease_s=LEASE_S)
