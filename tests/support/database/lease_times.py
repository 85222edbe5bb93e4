"""Time that passes in the database alone: nothing sleeps where leases expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.leases import Holder, keep_lease

if TYPE_CHECKING:
    from worker.store.pool import Database

LEASE_S = 8.0


async def passes(db: Database, table: str, column: str, seconds: float) -> None:
    """So much time passes, as far as this column is concerned."""
    statement = f"UPDATE {table} SET {column} = {column} - make_interval(secs => $1)"  # noqa: S608
    await db.run("passes", lambda c: c.execute(statement, seconds))


async def lapses(db: Database) -> None:
    """Nobody renews the leases for longer than they last."""
    await passes(db, "interviews", "lease_expires", LEASE_S + 0.1)


async def lease_holder(db: Database, interview_id: str) -> Holder | None:
    """Whose the interview is; asked by a job that has no part in it."""
    return await keep_lease(db, interview_id, job_id="AJ_nobody", token=-1, lease_s=LEASE_S)
