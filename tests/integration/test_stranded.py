"""Orphaned interviews, found and claimed on a real PostgreSQL."""

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
from worker.store.claims import (
    claim_dispatches,
    end_without_candidate,
    give_back_dispatches,
    note_dispatches,
)
from worker.store.interview_status import set_dispatched
from worker.store.interviews import create_interview, get_interview
from worker.store.jobs import ship
from worker.store.leader_lock import drop_leader_locks, hold_leader_lock
from worker.store.leases import LeaseHeld, take_lease
from worker.store.orphans import Limits, OrphanedInterview, find_orphaned

if TYPE_CHECKING:
    from worker.store.database import Database

#: Seconds after which a dispatch that no worker took is lost.
TAKES_S = 2.01
#: Seconds after which a claimed dispatch that has no id counts as not taken.
SENT_WITHIN_S = 6.01
LIMITS = Limits(join_s=10.0, delay_s=2.0, tries=3, scope=SCOPE)


@pytest.fixture
async def db(leased_database: Database) -> Database:
    """Return a database with the interview `one`, which has been dispatched."""
    await set_dispatched(leased_database, "one", dispatch_id="D1")
    return leased_database


async def job_runs(db: Database, job_id: str = "AJ_1") -> int:
    token = await take_lease(db, "one", job_id=job_id, lease_s=LEASE_S)
    assert token is not None
    journal = JobRecords()
    journal.add("lease", token=token)
    journal.transition("RUNNING")
    await ship(db, header(job_id), journal.records)
    return token


async def job_is_killed(db: Database, job_id: str = "AJ_1") -> None:
    journal = JobRecords()
    journal.add("lease", token=await job_runs(db, job_id))
    journal.transition("RUNNING")
    journal.add("exit", exit_code=-9, signal=9)
    await ship(db, header(job_id), journal.records)


async def job_fails(db: Database, reason: str) -> None:
    journal = JobRecords()
    journal.transition("CLOSED", outcome="failed", reason=reason)
    await ship(db, header("AJ_1"), journal.records)


async def found(db: Database, job_id: str | None = None) -> OrphanedInterview | None:
    (one,) = await find_orphaned(db, LIMITS, job_id=job_id) or (None,)
    return one


async def the_orphan(db: Database) -> OrphanedInterview:
    """Return the one orphaned interview. Raises AssertionError if there is none."""
    orphan = await found(db)
    assert orphan is not None
    return orphan


async def claim(db: Database, orphan: OrphanedInterview) -> int | None:
    claimed = await claim_dispatches(db, [orphan], LIMITS)
    return claimed.get(orphan.interview.interview_id)


async def dispatch(db: Database, orphan: OrphanedInterview) -> int | None:
    """Claim an interview, and store that LiveKit has accepted the dispatch."""
    token = await claim(db, orphan)
    if token is not None:
        await note_dispatches(db, {orphan.interview.interview_id: (token, f"D-{token}")})
    return token


async def whys(db: Database) -> list[str]:
    return [each.why for each in await find_orphaned(db, LIMITS)]


async def test_an_interview_with_a_renewed_lease_is_not_orphaned(db: Database) -> None:
    await job_runs(db)
    await renew(db, ["AJ_1"])
    await passes(db, "interviews", "dispatched_at", 100)
    assert await whys(db) == []


@pytest.mark.row("B4")
async def test_a_running_interview_with_an_expired_lease_is_found(db: Database) -> None:
    await job_runs(db)
    await lapses(db)
    stranded = await the_orphan(db)
    assert (stranded.why, stranded.last_job) == ("LeaseExpired", "AJ_1")
    assert stranded.interview.candidate_identity == "candidate-one"


async def test_a_running_interview_without_a_lease_is_found_after_the_deadline(
    db: Database,
) -> None:
    journal = JobRecords()
    journal.transition("RUNNING")
    await ship(db, header("AJ_1"), journal.records)
    assert await whys(db) == []
    await passes(db, "interviews", "updated_at", LIMITS.join_s)
    assert await whys(db) == ["LeaseExpired"]
    # The job was alive after all.
    await job_runs(db)
    assert await whys(db) == []


async def test_a_dispatch_that_no_worker_takes_is_found_after_two_seconds(db: Database) -> None:
    assert await whys(db) == []
    await passes(db, "interviews", "dispatched_at", TAKES_S)
    assert await whys(db) == ["NotTaken"]
    # The worker that takes a dispatch takes the lease for the job that will start.
    await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)
    assert await whys(db) == []


async def test_an_interview_whose_worker_died_before_its_job_began_is_found_by_its_lease(
    leased_database: Database,
) -> None:
    """The interview is found even if its dispatch was never recorded."""
    await take_lease(leased_database, "one", job_id="AJ_1", lease_s=LEASE_S)
    assert await whys(leased_database) == []
    await lapses(leased_database)
    assert await whys(leased_database) == ["LeaseExpired"]


async def test_untaken_dispatches_do_not_count_as_tries_and_back_off(
    db: Database,
) -> None:
    await passes(db, "interviews", "dispatched_at", TAKES_S)
    waited = TAKES_S
    for again in range(2 * LIMITS.tries):
        stranded = await the_orphan(db)
        assert await dispatch(db, stranded) == again + 1
        await passes(db, "interviews", "dispatched_at", waited * 0.9)
        assert await whys(db) == []
        waited = min(waited * 1.5, LIMITS.join_s)
        await passes(db, "interviews", "dispatched_at", waited)
        assert await whys(db) == ["NotTaken"]
    interview = await get_interview(db, "one")
    assert interview is not None
    assert interview.tries == 0


async def test_a_dispatch_that_waits_for_its_turn_is_not_claimed_again(db: Database) -> None:
    await job_runs(db)
    await lapses(db)
    stranded = await the_orphan(db)
    token = await claim(db, stranded)
    assert token is not None
    await passes(db, "interviews", "dispatched_at", SENT_WITHIN_S - 1)
    assert await whys(db) == []
    await note_dispatches(db, {"one": (token, "D2")})
    assert await whys(db) == []
    await passes(db, "interviews", "dispatched_at", TAKES_S)
    assert await whys(db) == ["NotTaken"]


async def test_a_dispatch_whose_worker_died_before_it_sent_it_is_claimed_again(
    db: Database,
) -> None:
    await job_runs(db)
    await lapses(db)
    stranded = await the_orphan(db)
    await claim(db, stranded)
    await passes(db, "interviews", "dispatched_at", SENT_WITHIN_S)
    assert await whys(db) == ["NotTaken"]


async def lost_whys(db: Database) -> list[tuple[str, str]]:
    return [(each.why, each.lost_why) for each in await find_orphaned(db, LIMITS)]


async def test_an_untaken_redispatch_keeps_the_reason_for_which_the_interviewer_was_lost(
    db: Database,
) -> None:
    await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)
    await lapses(db)
    for waited in (TAKES_S, TAKES_S * 1.5):
        stranded = await the_orphan(db)
        await dispatch(db, stranded)
        await passes(db, "interviews", "dispatched_at", waited)
        assert await lost_whys(db) == [("NotTaken", "LeaseExpired")]
    # The next interviewer is lost for a reason of its own.
    await take_lease(db, "one", job_id="AJ_2", lease_s=LEASE_S)
    await job_is_killed(db, "AJ_2")
    assert await lost_whys(db) == [("ProcessKilled", "ProcessKilled")]


async def test_an_unsent_redispatch_keeps_the_reason_for_which_the_interviewer_was_lost(
    db: Database,
) -> None:
    await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)
    await lapses(db)
    stranded = await the_orphan(db)
    token = await claim(db, stranded)
    assert token is not None
    await give_back_dispatches(db, [(stranded, token)])
    assert await lost_whys(db) == [("NotSent", "LeaseExpired")]


async def test_a_first_dispatch_that_no_worker_takes_has_no_other_reason(db: Database) -> None:
    await passes(db, "interviews", "dispatched_at", TAKES_S)
    assert await lost_whys(db) == [("NotTaken", "NotTaken")]


async def test_a_killed_job_is_found_by_its_id_once_its_journal_is_shipped(
    db: Database,
) -> None:
    await job_is_killed(db)
    stranded = await found(db, "AJ_1")
    assert stranded is not None
    assert (stranded.why, stranded.last_job) == ("ProcessKilled", "AJ_1")
    assert await find_orphaned(db, LIMITS, job_id="AJ_other") == []


async def test_orphaned_interviews_can_be_searched_by_room(db: Database) -> None:
    await job_is_killed(db)
    (stranded,) = await find_orphaned(db, LIMITS)
    room = stranded.interview.room
    assert await find_orphaned(db, LIMITS, room=room) == [stranded]
    assert await find_orphaned(db, LIMITS, room=f"{room}-2") == []


@pytest.mark.parametrize(
    ("reason", "worth_it"),
    [
        ("JobCrashed", True),
        ("SessionFailed", True),
        ("RoomLost", True),
        ("TurnStuck", True),
        ("OrchestratorFailed", False),
        ("InterviewUnknown", False),
        ("MetadataInvalid", False),
    ],
)
async def test_only_failures_of_the_job_are_retried(
    db: Database, reason: str, worth_it: bool
) -> None:
    await job_fails(db, reason)
    assert await whys(db) == ([reason] if worth_it else [])


@pytest.mark.row("B4")
async def test_of_many_concurrent_claims_one_wins_and_outranks_the_old_holder(
    db: Database,
) -> None:
    token = await job_runs(db)
    await lapses(db)
    stranded = await the_orphan(db)
    claims = await asyncio.gather(*(claim(db, stranded) for _ in range(6)))
    assert sorted(claims, key=str) == [token + 1, *[None] * 5]
    holder = await lease_holder(db, "one")
    assert holder is not None
    assert (holder.token, holder.job_id) == (token + 1, None)
    assert await job_runs(db, "AJ_2") == token + 2
    with pytest.raises(LeaseHeld):
        await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)


async def test_a_claim_fails_if_the_lease_was_renewed_since(db: Database) -> None:
    await job_runs(db)
    await lapses(db)
    stranded = await the_orphan(db)
    await renew(db, ["AJ_1"])
    assert await claim(db, stranded) is None


async def test_tries_back_off_until_none_is_left(db: Database) -> None:
    await job_is_killed(db)
    for number in range(LIMITS.tries):
        stranded = await the_orphan(db)
        assert await claim(db, stranded) is not None
        await job_is_killed(db, f"AJ_{number + 2}")
        assert await whys(db) == []
        await passes(db, "interviews", "dispatched_at", LIMITS.delay_s * 2**number)
    assert await whys(db) == []
    # Long after the last try the count of tries starts at zero.
    await passes(db, "interviews", "dispatched_at", 300)
    assert await whys(db) == ["ProcessKilled"]


async def test_a_returned_claim_is_due_at_once_and_does_not_count_as_a_try(
    db: Database,
) -> None:
    await job_is_killed(db)
    stranded = await the_orphan(db)
    token = await claim(db, stranded)
    assert token is not None
    assert await whys(db) == []
    for _ in range(2):
        await give_back_dispatches(db, [(stranded, token)])
    assert await whys(db) == ["NotSent"]
    interview = await get_interview(db, "one")
    assert interview is not None
    assert interview.tries == 0
    stranded = await the_orphan(db)
    assert await claim(db, stranded) == token + 1
    # The job started although the dispatch seemed to have failed.
    await job_runs(db, "AJ_2")
    await give_back_dispatches(db, [(stranded, token + 1)])
    assert await whys(db) == []


async def test_an_orphaned_interview_whose_candidate_left_waits_for_the_candidate(
    db: Database,
) -> None:
    await job_runs(db)
    await lapses(db)
    stranded = await the_orphan(db)
    await end_without_candidate(db, [stranded], LIMITS)
    interview = await get_interview(db, "one")
    assert interview is not None
    assert (interview.status, interview.outcome, interview.reason) == (
        "waiting",
        None,
        "CandidateLeft",
    )
    assert await whys(db) == ["CandidateCame"]
    # The dead job's journal arrives later and changes nothing.
    journal = JobRecords()
    journal.add("exit", exit_code=-9, signal=9)
    await ship(db, header("AJ_1"), journal.records)
    interview = await get_interview(db, "one")
    assert interview is not None
    assert interview.reason == "CandidateLeft"


async def test_an_interview_without_candidate_does_not_end_if_its_lease_was_renewed(
    db: Database,
) -> None:
    await job_runs(db)
    await lapses(db)
    stranded = await the_orphan(db)
    await renew(db, ["AJ_1"])
    await end_without_candidate(db, [stranded], LIMITS)
    interview = await get_interview(db, "one")
    assert interview is not None
    assert interview.status == "running"


async def test_a_manual_dispatch_resets_the_count_of_tries(db: Database) -> None:
    await job_is_killed(db)
    stranded = await the_orphan(db)
    token = await claim(db, stranded)
    assert token is not None
    await note_dispatches(db, {"one": (token, "D2")})
    interview = await get_interview(db, "one")
    assert interview is not None
    assert (interview.tries, interview.dispatch_id) == (1, "D2")
    assert (interview.status, interview.dispatch_token) == ("dispatched", token)
    await set_dispatched(db, "one", dispatch_id="D3")
    interview = await get_interview(db, "one")
    assert interview is not None
    assert interview.tries == 0


async def test_no_interview_is_orphaned_by_an_outage_of_the_database(db: Database) -> None:
    await job_runs(db)
    await lapses(db)
    await passes(db, "lease_contact", "seen", LEASE_S)
    assert await whys(db) == []
    await renew(db)
    assert await whys(db) == []


async def test_a_leader_lock_has_one_holder_until_it_expires_or_is_released(db: Database) -> None:
    async def hold(worker_id: str) -> bool:
        return await hold_leader_lock(db, "watch", worker_id=worker_id, for_s=4.0)

    taken = await asyncio.gather(*(hold(f"w{number}") for number in range(5)))
    assert taken.count(True) == 1
    first = f"w{taken.index(True)}"
    assert await hold(first)
    await passes(db, "duties", "expires", 4.0)
    assert await hold("w9")
    assert not await hold(first)
    await drop_leader_locks(db, ["watch"], worker_id=first)
    assert not await hold(first)
    await drop_leader_locks(db, ["watch"], worker_id="w9")
    assert await hold(first)
    # A clock that was an hour ahead wrote this expiry.
    await passes(db, "duties", "expires", -3600)
    assert await hold("w9")


async def test_the_search_for_orphaned_interviews_scans_no_whole_table(db: Database) -> None:
    many = (
        "INSERT INTO interviews (interview_id, room, candidate_identity, plan, status)"
        " SELECT 'iv-' || n, 'r-' || n, 'c', '{}', 'created' FROM generate_series(1, 20000) AS n"
    )
    await db.run("fill", lambda c: c.execute(many))
    await db.run("analyze", lambda c: c.execute("ANALYZE interviews"))
    plan = load_plan(SAMPLE_PLAN)
    await create_interview(db, interview_id="new", plan=plan.to_json())
    await db.run("flush", lambda c: c.execute("SELECT pg_stat_force_next_flush()"))
    read = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'interviews'"
    before = await db.run("count", lambda c: c.fetchval(read))
    await find_orphaned(db, LIMITS)
    await renew(db, ["AJ_1"])
    await db.run("flush", lambda c: c.execute("SELECT pg_stat_force_next_flush()"))
    assert await db.run("count", lambda c: c.fetchval(read)) == before
