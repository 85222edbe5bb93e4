"""Fair rescue on a real PostgreSQL: order, back-off, scopes, windows and leases of any length."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.database.job_records import JobRecords, header
from tests.support.database.lease_times import LEASE_S, SCOPE, passes, renew
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.claims import (
    claim_dispatches,
    end_closed,
    end_without_candidate,
    give_back_dispatches,
)
from worker.store.heartbeat import beat, note_contact
from worker.store.interview_status import set_dispatched
from worker.store.interviews import (
    Interview,
    InterviewStatus,
    RoomInUse,
    create_interview,
    get_interview,
)
from worker.store.jobs import ship
from worker.store.leases import LeaseHeld, take_lease
from worker.store.orphans import AT_A_TIME, Limits, Look, find_orphaned, record_looks
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from worker.store.database import Database

LIMITS = Limits(join_s=10.0, delay_s=2.0, tries=3, scope=SCOPE)
#: Seconds after which a dispatch that no worker took is lost.
TAKES_S = 2.01


@pytest.fixture
async def db(leased_database: Database) -> Database:
    """Return a database with the interview `one`, and a worker long in contact with it."""
    return leased_database


async def many_untaken(db: Database, number: int) -> None:
    """Store interviews whose dispatches no worker took, and whose candidates are absent."""
    fill = (
        "INSERT INTO interviews"
        " (interview_id, room, candidate_identity, plan, status, dispatched_at)"
        " SELECT 'no-' || n, 'room-' || n, 'c', '{}', 'dispatched', now() - interval '1 hour'"
        " FROM generate_series(1, $1) AS n"
    )
    await db.run("fill", lambda c: c.execute(fill, number))


async def breaks_off(db: Database, interview_id: str = "one") -> None:
    """Let the job of an interview run, and its lease expire."""
    job_id = f"AJ_{interview_id}"
    token = await take_lease(db, interview_id, job_id=job_id, lease_s=LEASE_S)
    journal = JobRecords()
    journal.add("lease", token=token)
    journal.transition("RUNNING")
    await ship(db, header(job_id, interview_id), journal.records)
    await passes(db, "leases", "expires", LEASE_S + 0.1)


async def found(db: Database, limits: Limits = LIMITS) -> list[str]:
    return [each.interview.interview_id for each in await find_orphaned(db, limits)]


async def stored(db: Database, interview_id: str = "one") -> Interview:
    interview = await get_interview(db, interview_id)
    assert interview is not None
    return interview


# --- order and back-off ---------------------------------------------------------------------------


@pytest.mark.parametrize("hopeless", [60, 5000])
async def test_an_interview_behind_many_that_cannot_be_helped_is_found_at_the_next_look(
    db: Database, hopeless: int
) -> None:
    await many_untaken(db, hopeless)
    for _ in range(3):  # three looks of a leader, which finds no candidate in any room
        looks = [Look(found=each, absent=True) for each in await find_orphaned(db, LIMITS)]
        await record_looks(db, looks)
    await breaks_off(db)
    assert (await found(db))[0] == "one"


async def test_each_interview_gets_its_look_although_a_look_is_limited(db: Database) -> None:
    await many_untaken(db, 2 * AT_A_TIME + 1)
    seen: set[str] = set()
    for _ in range(3):
        page = await find_orphaned(db, LIMITS)
        assert len(page) <= AT_A_TIME
        seen |= {each.interview.interview_id for each in page}
        await record_looks(db, [Look(found=each, absent=True) for each in page])
    assert len(seen) == 2 * AT_A_TIME + 1


async def test_an_interview_that_could_not_be_helped_waits_for_its_own_back_off(
    db: Database,
) -> None:
    await breaks_off(db)
    (orphan,) = await find_orphaned(db, LIMITS)
    waits = []
    for _ in range(6):
        await record_looks(db, [Look(found=orphan, absent=False)])
        assert await found(db) == []
        query = "SELECT extract(epoch FROM look_again_at - clock_timestamp()) AS s FROM orphans"
        (row,) = await db.fetch("wait", query)
        waits.append(round(float(row["s"]), 1))
        await passes(db, "orphans", "look_again_at", 1.0)
        assert await found(db) == ["one"]
    assert waits == sorted(waits)
    assert waits[-1] <= 1.0
    # A check of one room does not wait.
    await record_looks(db, [Look(found=orphan, absent=False)])
    room = orphan.interview.room
    assert len(await find_orphaned(db, LIMITS, room=room)) == 1


async def test_the_absence_of_a_candidate_is_stored_where_a_new_leader_finds_it(
    db: Database,
) -> None:
    await breaks_off(db)
    (orphan,) = await find_orphaned(db, LIMITS)
    absent = Look(found=orphan, absent=True)
    assert (await record_looks(db, [absent]))["one"] < 1.0
    await passes(db, "orphans", "absent_since", 40.0)
    assert 40.0 <= (await record_looks(db, [absent]))["one"] < 41.0
    assert await record_looks(db, [Look(found=orphan, absent=False)]) == {}
    assert (await record_looks(db, [absent]))["one"] < 1.0
    # After a redispatch an absence from before does not count.
    await passes(db, "orphans", "absent_since", 40.0)
    claimed = await claim_dispatches(db, [orphan], LIMITS)
    later = replace(orphan, interview=replace(orphan.interview, token=claimed["one"]))
    assert (await record_looks(db, [Look(found=later, absent=True)]))["one"] < 1.0


async def test_of_several_claims_those_of_absent_candidates_are_given_back_together(
    db: Database,
) -> None:
    plan = load_plan(SAMPLE_PLAN).to_json()
    for name in ("two", "three"):
        await create_interview(db, interview_id=name, plan=plan)
    for name in ("one", "two", "three"):
        await breaks_off(db, name)
    orphans = await find_orphaned(db, LIMITS)
    claimed = await claim_dispatches(db, orphans, LIMITS)
    away = [each for each in orphans if each.interview.interview_id != "two"]
    given = [(each, claimed[each.interview.interview_id]) for each in away]
    await give_back_dispatches(db, given)
    await record_looks(db, [Look(found=each, absent=True, claimed=2) for each, _ in given])
    assert await found(db) == []
    await passes(db, "orphans", "look_again_at", 10.0)
    later = await find_orphaned(db, LIMITS)
    assert {each.interview.interview_id for each in later} == {"one", "three"}
    assert {(each.why, each.lost_why, each.was_absent) for each in later} == {
        ("NotSent", "LeaseExpired", True)
    }
    assert (await stored(db)).tries == 0


async def test_a_thousand_expired_leases_are_claimed_in_a_few_statements(db: Database) -> None:
    fill = (
        "WITH new AS (INSERT INTO interviews"
        " (interview_id, room, candidate_identity, plan, status, token, lease_job)"
        " SELECT 'iv-' || n, 'room-' || n, 'c', '{}', 'running', 1, 'AJ_' || n"
        " FROM generate_series(1, 1000) AS n RETURNING interview_id, lease_job)"
        " INSERT INTO leases (interview_id, token, job_id, lease_s, expires)"
        " SELECT interview_id, 1, lease_job, 3, now() - interval '1 s' FROM new"
    )
    await db.run("fill", lambda c: c.execute(fill))
    claimed: dict[str, int] = {}
    while page := await find_orphaned(db, LIMITS):
        claimed |= await claim_dispatches(db, page, LIMITS)
    assert len(claimed) == 1000
    assert set(claimed.values()) == {2}
    assert await db.run("left", lambda c: c.fetchval("SELECT count(*) FROM leases")) == 0


# --- leases of different lengths, and outages -----------------------------------------------------


async def test_a_lease_is_judged_by_its_own_length_and_not_by_the_readers(db: Database) -> None:
    """During a rolling change of INTERVIEW_LEASE_S workers with both values run."""
    await take_lease(db, "one", job_id="AJ_1", lease_s=60.0)
    await renew(db, ["AJ_1"], lease_s=60.0)
    await renew(db, worker_id="short", lease_s=3.0)
    assert await found(db) == []
    with pytest.raises(LeaseHeld):
        await take_lease(db, "one", job_id="AJ_2", lease_s=3.0)
    for table, column in (("leases", "expires"), ("lease_contact", "calm_since")):
        await passes(db, table, column, 60.1)
    await renew(db, worker_id="short", lease_s=3.0)
    assert await take_lease(db, "one", job_id="AJ_2", lease_s=3.0) == 2


async def test_a_short_lease_expires_although_only_workers_with_long_leases_are_left(
    db: Database,
) -> None:
    await take_lease(db, "one", job_id="AJ_1", lease_s=3.0)
    await renew(db, worker_id="long", lease_s=60.0)
    await passes(db, "lease_contact", "calm_since", 60.0)
    await passes(db, "leases", "expires", 3.1)
    await passes(db, "lease_contact", "seen", 3.0)
    assert await found(db) == []  # the database may have been away for all workers
    await renew(db, worker_id="long", lease_s=60.0)
    assert await found(db) == ["one"]


async def test_after_an_outage_an_interview_that_never_had_a_lease_is_left_alone(
    db: Database,
) -> None:
    """Its job began while the database was away, and takes the lease within a second or two."""
    await set_dispatched(db, "one", dispatch_id="D1")
    await passes(db, "interviews", "dispatched_at", 180.0)
    await passes(db, "lease_contact", "seen", 180.0)
    assert await found(db) == []
    await renew(db)
    await passes(db, "lease_contact", "calm_since", 5.0)
    await renew(db)
    assert await found(db) == []
    await passes(db, "lease_contact", "calm_since", 1.1)
    assert await found(db) == ["one"]


async def test_the_contact_is_written_at_most_once_per_quarter_of_a_lease(db: Database) -> None:
    async def due() -> bool:
        sent = await beat(
            db,
            [],
            worker_id="w1",
            scope=SCOPE,
            lease_s=LEASE_S,
            every_s=LEASE_S / 6,
            row=None,
        )
        return sent.contact_is_due

    await renew(db)
    assert not await due()
    await passes(db, "lease_contact", "seen", LEASE_S * 0.24)
    assert not await due()
    await passes(db, "lease_contact", "seen", LEASE_S * 0.02)
    assert await due()
    await asyncio.gather(
        *(note_contact(db, lease_s=LEASE_S, every_s=LEASE_S / 6) for _ in range(5))
    )
    assert not await due()


# --- scopes ---------------------------------------------------------------------------------------


async def test_a_worker_touches_only_interviews_of_its_agent_name_and_its_server(
    db: Database,
) -> None:
    await breaks_off(db)
    others = (
        replace(SCOPE, agent_name="receptionist"),
        replace(SCOPE, livekit="wss://elsewhere.example"),
    )
    await db.run(
        "name",
        lambda c: c.execute(
            "UPDATE interviews SET agent_name = $1, livekit_url = $2",
            SCOPE.agent_name,
            SCOPE.livekit,
        ),
    )
    for other in others:
        assert await found(db, replace(LIMITS, scope=other)) == []
    assert await found(db) == ["one"]


async def test_rows_without_a_name_belong_to_workers_of_the_interview_application(
    db: Database,
) -> None:
    await breaks_off(db)
    own = replace(LIMITS, scope=replace(SCOPE, agent_name="receptionist", takes_unnamed=False))
    assert await found(db, own) == []
    assert await found(db) == ["one"]


async def test_the_job_that_takes_an_interview_names_its_workers(db: Database) -> None:
    await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S, scope=SCOPE)
    interview = await stored(db)
    assert (interview.agent_name, interview.livekit_url) == (SCOPE.agent_name, SCOPE.livekit)


async def test_work_that_an_application_has_stored_belongs_to_its_workers_from_the_start(
    db: Database,
) -> None:
    booking = replace(SCOPE, agent_name="receptionist", takes_unnamed=False)
    await create_interview(db, interview_id="booking", plan={}, scope=booking)
    await db.run(
        "status",
        lambda c: c.execute(
            "UPDATE interviews SET status = 'dispatched', dispatched_at = now() - interval '1 min'"
            " WHERE interview_id = 'booking'"
        ),
    )
    assert await found(db) == []
    assert await found(db, replace(LIMITS, scope=booking)) == ["booking"]


async def test_an_interview_of_a_newer_protocol_is_left_alone(db: Database) -> None:
    await breaks_off(db)
    await db.run("newer", lambda c: c.execute("UPDATE interviews SET protocol = $1", PROTOCOL + 1))
    assert await found(db) == []


# --- windows --------------------------------------------------------------------------------------


async def abandoned(db: Database, reason: str) -> None:
    """Let a job end because of its candidate."""
    token = await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)
    journal = JobRecords()
    journal.add("lease", token=token)
    journal.transition("RUNNING")
    journal.transition("CLOSED", outcome="abandoned", reason=reason)
    await ship(db, header("AJ_1"), journal.records)


@pytest.mark.parametrize(
    "reason", ["CandidateNeverJoined", "CandidateLeft", "CandidateSilent", "RoomClosed"]
)
async def test_within_its_window_an_interview_waits_for_its_candidate(
    db: Database, reason: str
) -> None:
    await abandoned(db, reason)
    interview = await stored(db)
    assert (interview.status, interview.outcome, interview.reason) == ("waiting", None, reason)
    assert not interview.is_over
    (orphan,) = await find_orphaned(db, LIMITS)
    assert (orphan.why, orphan.was_absent) == ("CandidateCame", False)
    await record_looks(db, [Look(found=orphan, absent=True)])
    await passes(db, "orphans", "look_again_at", 10.0)
    (orphan,) = await find_orphaned(db, LIMITS)
    assert orphan.was_absent
    assert await claim_dispatches(db, [orphan], LIMITS) == {"one": 2}
    assert (await stored(db)).tries == 0


async def test_after_its_window_a_job_without_its_candidate_ends_the_interview(
    db: Database,
) -> None:
    await passes(db, "interviews", "closes_at", 8 * 86400)
    await abandoned(db, "CandidateLeft")
    interview = await stored(db)
    assert (interview.status, interview.outcome) == ("ended", "abandoned")


async def test_the_sweep_ends_interviews_beyond_their_window_and_no_others(db: Database) -> None:
    plan = load_plan(SAMPLE_PLAN).to_json()
    for name in ("created", "dispatched", "waiting", "running", "held", "inside"):
        await create_interview(db, interview_id=name, plan=plan)
    await db.run(
        "status",
        lambda c: c.execute(
            "UPDATE interviews SET status = interview_id"
            " WHERE interview_id IN ('dispatched', 'waiting', 'running')"
        ),
    )
    await take_lease(db, "held", job_id="AJ_held", lease_s=LEASE_S)
    await db.run(
        "close",
        lambda c: c.execute(
            "UPDATE interviews SET closes_at = now() - interval '1 s'"
            " WHERE interview_id NOT IN ('inside', 'one')"
        ),
    )
    assert set(await end_closed(db, SCOPE)) == {"created", "waiting"}
    await passes(db, "interviews", "updated_at", 601.0)
    assert set(await end_closed(db, SCOPE)) == {"dispatched", "running"}
    ended = await stored(db, "running")
    assert (ended.outcome, ended.reason, ended.token) == ("abandoned", "WindowClosed", 1)
    assert (await stored(db, "held")).status is InterviewStatus.DISPATCHED
    assert (await stored(db, "inside")).status is InterviewStatus.CREATED


async def test_a_dispatch_of_any_age_is_made_again_within_its_window(db: Database) -> None:
    await set_dispatched(db, "one", dispatch_id="D1")
    for column in ("dispatched_at", "updated_at"):
        await passes(db, "interviews", column, 5 * 86400)
    assert [each.why for each in await find_orphaned(db, LIMITS)] == ["NotTaken"]
    await passes(db, "interviews", "closes_at", 8 * 86400)
    assert await found(db) == []


async def test_a_candidate_who_comes_before_the_window_opens_waits_for_its_opening(
    db: Database,
) -> None:
    await abandoned(db, "CandidateNeverJoined")
    later = "UPDATE interviews SET opens_at = now() + interval '1 hour'"
    await db.run("later", lambda c: c.execute(later))
    assert await found(db) == []
    await passes(db, "interviews", "opens_at", 3601)
    assert [each.why for each in await find_orphaned(db, LIMITS)] == ["CandidateCame"]


async def test_a_lease_that_ended_long_ago_is_still_found(db: Database) -> None:
    """After hours without database, LiveKit or workers no interview stays `running` for ever."""
    await breaks_off(db)
    await passes(db, "leases", "expires", 6 * 3600)
    assert await found(db) == ["one"]


async def test_a_candidate_who_left_a_broken_off_interview_can_come_back(db: Database) -> None:
    await breaks_off(db)
    (orphan,) = await find_orphaned(db, LIMITS)
    await end_without_candidate(db, [orphan], LIMITS)
    assert (await stored(db)).status is InterviewStatus.WAITING
    (orphan,) = await find_orphaned(db, LIMITS)
    assert orphan.why == "CandidateCame"
    assert await claim_dispatches(db, [orphan], LIMITS) == {"one": 3}


# --- rooms, tombstones and the outbox -------------------------------------------------------------


async def test_a_room_holds_one_open_interview(db: Database) -> None:
    plan = load_plan(SAMPLE_PLAN).to_json()
    room = (await stored(db)).room
    with pytest.raises(RoomInUse, match="belongs to another interview"):
        await create_interview(db, interview_id="two", plan=plan, room=room)
    await db.run(
        "end",
        lambda c: c.execute(
            "UPDATE interviews SET status = 'ended', outcome = 'failed', reason = 'JobCrashed'"
        ),
    )
    await create_interview(db, interview_id="two", plan=plan, room=room)
    # The failed interview cannot be opened again while the other one is open.
    assert await found(db) == []
    assert await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S) is None
    assert not await set_dispatched(db, "one", dispatch_id="D1")


async def test_of_two_failed_interviews_of_one_room_one_is_claimed_and_all_others_too(
    db: Database,
) -> None:
    room = (await stored(db)).room
    plan = load_plan(SAMPLE_PLAN).to_json()
    for name in ("one", "two"):
        if name != "one":
            await create_interview(db, interview_id=name, plan=plan, room=room)
        token = await take_lease(db, name, job_id=f"AJ_{name}", lease_s=LEASE_S)
        journal = JobRecords()
        journal.add("lease", token=token)
        journal.transition("CLOSED", outcome="failed", reason="JobCrashed")
        await ship(db, header(f"AJ_{name}", name), journal.records)
    await create_interview(db, interview_id="three", plan=plan)
    await breaks_off(db, "three")
    page = await find_orphaned(db, LIMITS)
    assert {each.interview.interview_id for each in page} == {"one", "two", "three"}
    claimed = await claim_dispatches(db, page, LIMITS)
    assert len(claimed) == 2
    assert "three" in claimed
    assert await found(db) == []


async def test_nothing_of_an_erased_interview_is_stored_again(db: Database) -> None:
    erase = (
        "INSERT INTO tombstones (kind, id_sha256)"
        " VALUES ('interview', sha256(convert_to('one', 'UTF8')));"
        " DELETE FROM interviews WHERE interview_id = 'one'"
    )
    await db.run("erase", lambda c: c.execute(erase))
    journal = JobRecords()
    journal.said("candidate", "My words.")
    shipped = await ship(db, header("AJ_1"), journal.records)
    assert (shipped.written, shipped.refused) == (0, ())
    journal.transition("CLOSED", outcome="failed", reason="JobCrashed")
    await ship(db, header("AJ_1"), journal.records)
    for table in ("interviews", "jobs", "job_records", "turns"):
        assert await db.fetch("read", f"SELECT 1 FROM {table}") == [], table  # noqa: S608
    # An older worker writes records without the row of the job.
    older = (
        "INSERT INTO job_records (job_id, seq, at, t, kind, record)"
        " VALUES ('AJ_1', 1, now(), 0, 'turn', '{}')"
    )
    await db.run("older", lambda c: c.execute(older))
    assert await db.run("count", lambda c: c.fetchval("SELECT count(*) FROM job_records")) == 0


async def test_the_outbox_is_written_only_for_readers(db: Database) -> None:
    async def events() -> list[tuple[str, str]]:
        rows = await db.run(
            "outbox",
            lambda c: c.fetch("SELECT interview_id, data->>'status' AS s FROM outbox ORDER BY id"),
        )
        return [(row["interview_id"], row["s"]) for row in rows]

    await set_dispatched(db, "one", dispatch_id="D1")
    assert await events() == []
    await db.run("read", lambda c: c.execute("INSERT INTO outbox_readers VALUES ('webhooks')"))
    await abandoned(db, "CandidateLeft")
    plan = load_plan(SAMPLE_PLAN).to_json()
    await create_interview(db, interview_id="two", plan=plan)
    assert await events() == [("one", "waiting"), ("two", "created")]
