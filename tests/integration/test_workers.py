"""Registered workers, and which of them can take over an interview, on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from tests.support.database.job_records import JobRecords, header
from tests.support.database.lease_times import LEASE_S, SCOPE, note_worker, passes, renew
from tests.support.database.worker_rows import Peers, other_workers
from worker.store.claims import claim_dispatches
from worker.store.interview_status import set_dispatched, store_end
from worker.store.interview_turns import turns_of
from worker.store.interviews import get_interview
from worker.store.jobs import get_job, ship
from worker.store.leases import take_lease
from worker.store.orphans import Limits, OrphanedInterview, find_orphaned
from worker.store.workers import can_be_followed, drop_stale_workers, drop_worker

if TYPE_CHECKING:
    from worker.store.database import Database

#: No redispatch is allowed after a failure; a handover does not count as one.
LIMITS = Limits(join_s=10.0, delay_s=60.0, tries=0, scope=SCOPE)


@pytest.fixture
async def db(leased_database: Database) -> Database:
    """Return a database with the interview `one`, held by the job AJ_1 of the worker w1."""
    await set_dispatched(leased_database, "one", dispatch_id="D1")
    token = await take_lease(leased_database, "one", job_id="AJ_1", lease_s=LEASE_S)
    journal = JobRecords()
    journal.add("lease", token=token)
    journal.transition("RUNNING")
    await ship(leased_database, header("AJ_1"), journal.records)
    await renew(leased_database, ["AJ_1"])
    return leased_database


async def claim(db: Database, orphan: OrphanedInterview) -> int | None:
    return (await claim_dispatches(db, [orphan], LIMITS)).get("one")


async def there(db: Database, worker: str, slots: int, *, name: str = "interviewer") -> None:
    await note_worker(db, worker, agent_name=name, takes_jobs=True, free_slots=slots)


async def end(db: Database, outcome: Outcome, reason: Reason) -> None:
    await store_end(db, "one", job_id="AJ_1", token=1, outcome=outcome, reason=reason)


async def seats(db: Database) -> int:
    return (await other_workers(db, "interviewer", besides="w1", fresh_s=3.0)).seats


async def followed(db: Database, failed_tries: int | None = None) -> bool:
    return await can_be_followed(
        db, "AJ_1", agent_name="interviewer", fresh_s=3.0, failed_tries=failed_tries
    )


# --- registered workers -------------------------------------------------------------------------


async def test_the_free_slots_of_peers_with_the_same_name_are_counted(db: Database) -> None:
    assert await seats(db) == 0
    await there(db, "w1", 4)
    await there(db, "w2", 2)
    await there(db, "w3", 1)
    await there(db, "w4", 5, name="receptionist")
    assert await seats(db) == 3
    await note_worker(db, "w2", agent_name="interviewer", takes_jobs=False, free_slots=2)
    assert await seats(db) == 1
    await drop_worker(db, "w3")
    assert await seats(db) == 0


async def test_peers_without_free_slots_are_counted(db: Database) -> None:
    async def others() -> Peers:
        return await other_workers(db, "interviewer", besides="w1", fresh_s=3.0)

    assert await others() == Peers(workers=0, seats=0)
    await there(db, "w2", 0)
    await note_worker(db, "w3", agent_name="interviewer", takes_jobs=False, free_slots=2)
    await there(db, "w4", 5, name="receptionist")
    assert await others() == Peers(workers=2, seats=0)
    await passes(db, "workers", "seen", 3.1)
    assert await others() == Peers(workers=0, seats=0)


async def test_a_worker_without_heartbeat_is_not_counted_and_is_removed(db: Database) -> None:
    await there(db, "w2", 2)
    await passes(db, "workers", "seen", 3.1)
    assert await seats(db) == 0
    assert await drop_stale_workers(db) == 0
    await passes(db, "workers", "seen", 60)
    await there(db, "w3", 0)
    assert await drop_stale_workers(db) == 1
    left = await db.run("list", lambda c: c.fetch("SELECT worker_id FROM workers"))
    assert [row["worker_id"] for row in left] == ["w3"]


async def test_a_clock_set_back_does_not_keep_a_dead_worker_counted(db: Database) -> None:
    await there(db, "w2", 2)
    await passes(db, "workers", "seen", -3600)
    assert await seats(db) == 0


async def test_a_job_without_its_worker_is_followed_if_a_peer_has_a_free_slot(
    db: Database,
) -> None:
    await there(db, "w1", 3)
    assert not await followed(db)
    await there(db, "w2", 0)
    assert not await followed(db)
    await there(db, "w2", 1)
    assert await followed(db)


async def test_a_failed_job_is_followed_by_its_own_worker_while_a_try_is_left(
    db: Database,
) -> None:
    assert not await followed(db, 4)
    await there(db, "w1", 0)
    assert await followed(db, 4)
    assert not await followed(db, 0)
    await db.run(
        "tried", lambda c: c.execute("UPDATE interviews SET tries = 4, dispatched_at = now()")
    )
    assert not await followed(db, 4)


async def test_a_job_without_a_lease_is_not_followed(db: Database) -> None:
    await there(db, "w2", 1)
    await end(db, Outcome.HANDED_OVER, Reason.HANDOVER_REQUESTED)
    assert not await followed(db)


# --- handovers ----------------------------------------------------------------------------------


async def test_a_handed_over_interview_is_free_at_once_and_does_not_count_as_a_try(
    db: Database,
) -> None:
    assert await find_orphaned(db, LIMITS) == []
    await end(db, Outcome.HANDED_OVER, Reason.HANDOVER_REQUESTED)
    (stranded,) = await find_orphaned(db, LIMITS, job_id="AJ_1")
    assert (stranded.why, stranded.last_job) == ("HandoverRequested", "AJ_1")
    assert stranded.interview.lease_job is None
    assert await claim(db, stranded) == 2
    assert await claim(db, stranded) is None
    assert await find_orphaned(db, LIMITS) == []
    interview = await get_interview(db, "one")
    assert interview is not None
    assert (interview.status, interview.tries) == ("dispatched", 0)


async def test_a_handed_over_interview_that_ran_for_long_is_found(db: Database) -> None:
    for column in ("updated_at", "dispatched_at"):
        await passes(db, "interviews", column, 3000)
    await end(db, Outcome.HANDED_OVER, Reason.HANDOVER_REQUESTED)
    assert [each.why for each in await find_orphaned(db, LIMITS)] == ["HandoverRequested"]


async def test_the_old_jobs_late_journal_does_not_change_the_successors_interview(
    db: Database,
) -> None:
    await end(db, Outcome.HANDED_OVER, Reason.HANDOVER_REQUESTED)
    (stranded,) = await find_orphaned(db, LIMITS)
    await claim(db, stranded)
    assert await take_lease(db, "one", job_id="AJ_2", lease_s=LEASE_S) == 3
    journal = JobRecords()
    journal.transition("CLOSED", outcome="handed_over", reason="HandoverRequested")
    await ship(db, header("AJ_1"), journal.records)
    assert await find_orphaned(db, LIMITS) == []
    interview = await get_interview(db, "one")
    assert interview is not None
    assert (interview.lease_job, interview.outcome) == ("AJ_2", None)


async def test_a_stored_end_ends_the_interview_before_the_journal_is_shipped(
    db: Database,
) -> None:
    await end(db, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    interview, job = await get_interview(db, "one"), await get_job(db, "AJ_1")
    assert interview is not None
    assert job is not None
    assert (interview.status, interview.outcome, interview.lease_job) == (
        "ended",
        "completed",
        None,
    )
    assert (job.outcome, job.reason) == ("completed", "InterviewCompleted")
    assert await turns_of(db, "one") == []


async def test_a_job_with_no_shipped_records_can_hand_over(leased_database: Database) -> None:
    db = leased_database
    await set_dispatched(db, "one", dispatch_id="D1")
    await store_end(
        db,
        "one",
        job_id="AJ_9",
        token=None,
        outcome=Outcome.HANDED_OVER,
        reason=Reason.HANDOVER_REQUESTED,
    )
    assert [each.last_job for each in await find_orphaned(db, LIMITS)] == ["AJ_9"]
