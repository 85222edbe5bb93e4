"""Leases in a test: renew them, and move times in the database into the past without a sleep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from worker.store.heartbeat import WorkerRow, beat, note_contact
from worker.store.leases import Holder, keep_lease
from worker.store.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.store.database import Database

LEASE_S = 8.0
SCOPE: Final = Scope(agent_name="interviewer", livekit="ws://127.0.0.1:7880", takes_unnamed=True)


async def passes(db: Database, table: str, column: str, seconds: float) -> None:
    """Move the times of one column into the past by `seconds`."""
    statement = f"UPDATE {table} SET {column} = {column} - make_interval(secs => $1)"  # noqa: S608
    await db.run("passes", lambda c: c.execute(statement, seconds))


async def lapses(db: Database) -> None:
    """Let all leases expire."""
    await passes(db, "leases", "expires", LEASE_S + 0.1)


async def renew(
    db: Database,
    job_ids: Collection[str] = (),
    *,
    worker_id: str = "w1",
    lease_s: float = LEASE_S,
    scope: Scope = SCOPE,
) -> set[str]:
    """Send a heartbeat as a worker does; return the jobs that hold a lease."""
    every_s = lease_s / 6
    found = await beat(
        db,
        job_ids,
        worker_id=worker_id,
        scope=scope,
        lease_s=lease_s,
        every_s=every_s,
        row=None,
    )
    if found.contact_is_due:
        await note_contact(db, lease_s=lease_s, every_s=every_s)
    return set(found.held)


async def note_worker(
    db: Database,
    worker_id: str,
    *,
    free_slots: int,
    takes_jobs: bool = True,
    agent_name: str = SCOPE.agent_name,
) -> None:
    """Write the row of a worker without jobs, as its heartbeat does."""
    row = WorkerRow(takes_jobs=takes_jobs, free_slots=free_slots)
    scope = replace(SCOPE, agent_name=agent_name)
    every_s = LEASE_S / 6
    await beat(db, [], worker_id=worker_id, scope=scope, lease_s=LEASE_S, every_s=every_s, row=row)


async def lease_holder(db: Database, interview_id: str) -> Holder | None:
    """Return the holder of an interview's lease; the query uses an unrelated job id."""
    return await keep_lease(db, interview_id, job_id="AJ_nobody", token=-1, lease_s=LEASE_S)
