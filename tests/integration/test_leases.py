"""The lease of an interview on a real PostgreSQL, whose clock decides."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.database.job_records import JobRecords, header
from tests.support.database.lease_times import (
    LEASE_S,
    SCOPE,
    lapses,
    lease_holder,
    passes,
    renew,
)
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.interview_status import obstacles_of, set_dispatched
from worker.store.interview_turns import turns_of
from worker.store.interviews import Interview, create_interview, get_interview
from worker.store.jobs import get_job, ship
from worker.store.leases import Holder, LeaseHeld, LeaseRefused, keep_lease, take_lease
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from worker.store.database import Database


@pytest.fixture
async def db(leased_database: Database) -> Database:
    """Return a `Database` with the interview `one` and a worker long in contact with it."""
    return leased_database


async def take(db: Database, job_id: str) -> int | None:
    return await take_lease(db, "one", job_id=job_id, lease_s=LEASE_S)


async def interview_in(db: Database) -> Interview:
    interview = await get_interview(db, "one")
    assert interview is not None
    return interview


async def ends(db: Database, job_id: str, outcome: str = "completed") -> None:
    journal = JobRecords()
    journal.transition("CLOSED", outcome=outcome, reason="InterviewCompleted")
    await ship(db, header(job_id), journal.records)


async def test_of_many_concurrent_takers_one_gets_the_lease(db: Database) -> None:
    taken = await asyncio.gather(
        *(take(db, f"AJ_{number}") for number in range(8)), return_exceptions=True
    )
    assert taken.count(1) == 1
    held = [each for each in taken if isinstance(each, LeaseHeld)]
    assert len(held) == 7
    assert {each.token for each in held} == {1}
    assert (await interview_in(db)).token == 1


async def test_the_holder_keeps_its_token_when_it_takes_the_lease_again(db: Database) -> None:
    assert await take(db, "AJ_1") == 1
    assert await take(db, "AJ_1") == 1
    await lapses(db)
    assert await take(db, "AJ_1") == 1


async def test_only_an_expired_lease_can_be_taken_and_the_token_rises(db: Database) -> None:
    await take(db, "AJ_1")
    with pytest.raises(LeaseHeld):
        await take(db, "AJ_2")
    await lapses(db)
    assert await take(db, "AJ_2") == 2
    with pytest.raises(LeaseHeld):
        await take(db, "AJ_1")
    holder = await lease_holder(db, "one")
    assert holder is not None
    assert (holder.token, holder.job_id) == (2, "AJ_2")


async def test_a_job_renews_only_its_own_lease_when_its_worker_does_not(
    db: Database,
) -> None:
    async def left_s(token: int, job_id: str = "AJ_1") -> float:
        holder = await keep_lease(db, "one", job_id=job_id, token=token, lease_s=LEASE_S)
        assert holder is not None
        assert (holder.token, holder.job_id) == (1, "AJ_1")
        query = (
            "SELECT extract(epoch FROM expires - clock_timestamp())::float FROM leases"
            " WHERE interview_id = 'one'"
        )
        return float(await db.run("left", lambda c: c.fetchval(query)))

    await take(db, "AJ_1")
    await passes(db, "leases", "expires", LEASE_S * 0.1)
    # The worker has renewed the lease just now: the job does not renew it.
    assert await left_s(1) < LEASE_S * 0.9
    await passes(db, "leases", "expires", LEASE_S * 0.1)
    assert await left_s(0) < LEASE_S * 0.8
    assert await left_s(1, "AJ_2") < LEASE_S * 0.8
    assert await left_s(1) > LEASE_S * 0.9


async def test_a_token_lost_with_a_restored_backup_is_written_again_with_its_lease(
    db: Database,
) -> None:
    async def keep() -> Holder | None:
        return await keep_lease(db, "one", job_id="AJ_7", token=7, lease_s=LEASE_S)

    # The database was restored from a backup taken before the job's lease.
    assert await keep() == Holder(token=0, job_id=None)
    assert await keep() == Holder(token=7, job_id="AJ_7")
    interview = await interview_in(db)
    assert (interview.token, interview.status) == (7, "running")
    with pytest.raises(LeaseHeld):
        await take(db, "AJ_8")


async def test_one_statement_renews_exactly_the_leases_of_the_given_jobs(
    db: Database,
) -> None:
    plan = load_plan(SAMPLE_PLAN)
    for name in ("two", "three"):
        await create_interview(db, interview_id=name, plan=plan.to_json())
        await take_lease(db, name, job_id=f"AJ_{name}", lease_s=LEASE_S)
    await take(db, "AJ_1")
    await lapses(db)
    assert await renew(db, ["AJ_1", "AJ_two", "AJ_none"]) == {"AJ_1", "AJ_two"}
    with pytest.raises(LeaseHeld):
        await take(db, "AJ_9")
    assert (await interview_in(db)).lease_worker == "w1"
    assert await take_lease(db, "three", job_id="AJ_9", lease_s=LEASE_S) == 2


async def test_no_lease_expires_during_an_outage_or_one_lease_time_after_it(
    db: Database,
) -> None:
    await take(db, "AJ_1")
    for column in ("seen", "calm_since"):
        await passes(db, "lease_contact", column, 3600)
    await passes(db, "leases", "expires", 3600)
    with pytest.raises(LeaseHeld):  # the database is back, and no worker has noticed
        await take(db, "AJ_2")
    await renew(db)
    with pytest.raises(LeaseHeld):  # the holder's worker has one whole lease to notice
        await take(db, "AJ_2")
    await passes(db, "lease_contact", "calm_since", LEASE_S)
    await renew(db)
    assert await take(db, "AJ_2") == 2


async def test_a_worker_in_constant_contact_gets_no_grace_period(db: Database) -> None:
    await take(db, "AJ_1")
    for _ in range(3):
        await passes(db, "lease_contact", "seen", LEASE_S / 4)
        await renew(db)
    await lapses(db)
    assert await take(db, "AJ_2") == 2


async def test_a_database_clock_set_back_does_not_extend_a_lease_for_hours(
    db: Database,
) -> None:
    await take(db, "AJ_1")
    for table, column in (("lease_contact", "seen"), ("leases", "expires")):
        await passes(db, table, column, -3600)
    with pytest.raises(LeaseHeld):
        await take(db, "AJ_2")
    await renew(db)
    await passes(db, "lease_contact", "calm_since", LEASE_S)
    assert await take(db, "AJ_2") == 2


async def test_an_ended_job_holds_no_lease(db: Database) -> None:
    await take(db, "AJ_1")
    await ends(db, "AJ_1", outcome="failed")
    assert (await interview_in(db)).lease_job is None
    assert await take(db, "AJ_2") == 2


async def test_the_lease_of_a_finished_or_unknown_interview_cannot_be_taken(
    db: Database,
) -> None:
    await take(db, "AJ_1")
    await ends(db, "AJ_1")
    assert await take(db, "AJ_2") is None
    assert await take_lease(db, "none", job_id="AJ_2", lease_s=LEASE_S) is None
    assert await lease_holder(db, "none") is None


async def passes_on(db: Database) -> None:
    """Move the lease from AJ_1 to AJ_2."""
    await take(db, "AJ_1")
    await lapses(db)
    await take(db, "AJ_2")


async def test_a_job_unaware_of_its_token_ends_nothing_once_another_has_the_lease(
    db: Database,
) -> None:
    """The job was suspended or cut off before it learned its own token."""
    await passes_on(db)
    journal = JobRecords()
    journal.transition("CLOSED", outcome="cancelled", reason="RoomDeleted")
    await ship(db, header("AJ_1"), journal.records)
    job = await get_job(db, "AJ_1")
    assert job is not None
    assert (job.token, job.outcome) == (1, "cancelled")
    interview = await interview_in(db)
    assert (interview.status, interview.lease_job) == ("dispatched", "AJ_2")


async def test_turns_of_a_job_that_lost_its_lease_are_late_and_end_nothing(
    db: Database,
) -> None:
    await passes_on(db)
    journal = JobRecords()
    journal.add("lease", token=1)
    journal.said("candidate", "My last words.")
    journal.transition("CLOSED", outcome="cancelled", reason="RoomDeleted")
    await ship(db, header("AJ_1"), journal.records)
    (turn,) = await turns_of(db, "one")
    assert turn.late
    job = await get_job(db, "AJ_1")
    assert job is not None
    assert job.token == 1
    interview = await interview_in(db)
    assert (interview.status, interview.lease_job) == ("dispatched", "AJ_2")


# --- interviews that are not the job's own --------------------------------------------------------


async def row_of(db: Database) -> str:
    """Return the whole row of the interview, as text."""
    query = "SELECT interviews::text AS row FROM interviews WHERE interview_id = 'one'"
    (row,) = await db.fetch("row", query)
    return str(row["row"])


async def test_an_interview_of_a_later_version_is_not_taken_and_stays_as_it_is(
    db: Database,
) -> None:
    await db.run("newer", lambda c: c.execute("UPDATE interviews SET protocol = $1", PROTOCOL + 1))
    before = await row_of(db)
    with pytest.raises(LeaseRefused, match=f"protocol {PROTOCOL + 1}, and this version"):
        await take(db, "AJ_1")
    await ends(db, "AJ_1", "failed")
    assert await row_of(db) == before


async def test_an_interview_of_another_room_is_not_taken_and_stays_as_it_is(db: Database) -> None:
    before = await row_of(db)
    with pytest.raises(LeaseRefused, match="has another room"):
        await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S, room="lobby")
    journal = JobRecords()
    journal.transition("RUNNING")
    await ship(db, header("AJ_1", room="lobby"), journal.records)
    assert await row_of(db) == before
    journal.transition("CLOSED", outcome="failed", reason="MetadataInvalid")
    await ship(db, header("AJ_1", room="lobby"), journal.records)
    assert await row_of(db) == before
    room = (await interview_in(db)).room
    assert await take_lease(db, "one", job_id="AJ_2", lease_s=LEASE_S, room=room) == 1


# --- two interviews in one room -------------------------------------------------------------------


async def share_room(db: Database) -> str:
    """Store `two`, of a LiveKit server, in the room of `one`, which has no server; return the room.

    An interview of an earlier version has no server, so that both may be open.
    """
    room = (await interview_in(db)).room
    plan = load_plan(SAMPLE_PLAN).to_json()
    await create_interview(db, interview_id="two", plan=plan, room=room, scope=SCOPE)
    return room


async def test_an_interview_does_not_enter_a_server_on_which_another_one_has_its_room(
    db: Database,
) -> None:
    room = await share_room(db)
    before = await row_of(db)

    async def take_in_scope(job_id: str) -> int | None:
        return await take_lease(db, "one", job_id=job_id, lease_s=LEASE_S, room=room, scope=SCOPE)

    with pytest.raises(LeaseRefused, match="another open interview of this LiveKit server"):
        await take_in_scope("AJ_1")
    assert not await set_dispatched(db, "one", dispatch_id="D1", scope=SCOPE)
    assert await row_of(db) == before
    assert await get_job(db, "AJ_1") is None
    obstacles = await obstacles_of(db, "one", scope=SCOPE)
    assert obstacles is not None
    assert obstacles.room_in_use
    end = "UPDATE interviews SET status = 'ended', outcome = 'completed' WHERE interview_id = 'two'"
    await db.run("end", lambda c: c.execute(end))
    obstacles = await obstacles_of(db, "one", scope=SCOPE)
    assert obstacles is not None
    assert not obstacles.room_in_use
    assert await take_in_scope("AJ_2") == 1


async def test_the_other_interview_of_the_room_is_taken_as_before(db: Database) -> None:
    room = await share_room(db)
    taken = await take_lease(db, "two", job_id="AJ_2", lease_s=LEASE_S, room=room, scope=SCOPE)
    assert taken == 1


async def test_a_restored_interview_stays_ended_while_another_one_has_its_room(
    db: Database,
) -> None:
    room = (await interview_in(db)).room
    end = "UPDATE interviews SET status = 'ended', outcome = 'failed', reason = 'JobCrashed'"
    await db.run("end", lambda c: c.execute(end))
    plan = load_plan(SAMPLE_PLAN).to_json()
    await create_interview(db, interview_id="two", plan=plan, room=room)
    for _ in range(2):
        holder = await keep_lease(db, "one", job_id="AJ_7", token=7, lease_s=LEASE_S)
        assert holder == Holder(token=0, job_id=None)
    assert (await interview_in(db)).status == "ended"


async def test_late_records_do_not_open_an_interview_whose_room_another_one_has(
    db: Database,
) -> None:
    """A job that never had the lease ships its records after its interview failed."""
    room = (await interview_in(db)).room
    end = "UPDATE interviews SET status = 'ended', outcome = 'failed', reason = 'JobCrashed'"
    await db.run("end", lambda c: c.execute(end))
    plan = load_plan(SAMPLE_PLAN).to_json()
    await create_interview(db, interview_id="two", plan=plan, room=room)
    journal = JobRecords()
    journal.transition("RUNNING")
    await ship(db, header("AJ_9", room=room), journal.records)
    journal.transition("CLOSED", outcome="abandoned", reason="CandidateLeft")
    await ship(db, header("AJ_9", room=room), journal.records)
    interview = await interview_in(db)
    assert (interview.status, interview.reason) == ("ended", "JobCrashed")
