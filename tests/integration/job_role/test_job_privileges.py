"""What a job does with a role of its own, and what its role costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states import Outcome, Reason
from tests.support.database.job_records import JobRecords, header
from tests.support.database.job_role import PLAN, answer, execute, rows_of
from tests.support.database.lease_times import LEASE_S, SCOPE
from tests.support.wire import CountingProxy
from worker.store.claims import claim_dispatches, give_back_dispatches, note_dispatches
from worker.store.database import Database
from worker.store.interview_dialogue import turns_and_dialogue_of
from worker.store.interview_status import store_end
from worker.store.interview_turns import turns_of, turns_of_all
from worker.store.interviews import create_interview, get_interview
from worker.store.jobs import ship
from worker.store.leases import keep_lease, take_lease
from worker.store.orphans import Limits, find_orphaned
from worker.store.schema import check_schema
from worker.store.talk_time import talk_seconds
from worker.store.workers import can_be_followed

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from worker.store.job_access import JobAccess


async def test_a_job_needs_no_privilege_beyond_the_list(database: Database, job: Database) -> None:
    """Every statement of a job is run here, from its first look to its end."""
    await job.run("check_schema", check_schema)
    found = await get_interview(job, "one", writable=True)
    assert found is not None
    assert (found.plan, found.candidate_name) == (PLAN, "Ada")
    token = await take_lease(
        job, "one", job_id="AJ_1", lease_s=LEASE_S, room="interview-one", scope=SCOPE
    )
    assert token == 1
    holder = await keep_lease(job, "one", job_id="AJ_1", token=1, lease_s=LEASE_S)
    assert holder is not None
    assert holder.job_id == "AJ_1"
    journal = answer()
    shipped = await ship(job, header("AJ_1", token=1), journal.records)
    assert shipped.written == len(journal.records)
    said = [turn.text for turn in await turns_of(job, "one", writable=True)]
    assert await turns_and_dialogue_of(job, "one") == await turns_and_dialogue_of(database, "one")
    assert said == ["What did you do?", "My answer.", "And then I"]
    assert said == [turn.text for turn in await turns_of(database, "one")]
    assert await talk_seconds(job, "one", besides="AJ_2") == await talk_seconds(database, "one")
    asked = can_be_followed(job, "AJ_1", agent_name="interviewer", fresh_s=5, failed_tries=3)
    assert not await asked
    journal.transition("CLOSED", outcome="completed", reason="InterviewCompleted")
    await ship(job, header("AJ_1", token=1), journal.records)
    await store_end(
        job,
        "one",
        job_id="AJ_1",
        token=1,
        outcome=Outcome.COMPLETED,
        reason=Reason.INTERVIEW_COMPLETED,
    )
    ended = await get_interview(job, "one")
    assert ended is not None
    assert ended.is_over


async def test_the_end_of_a_job_removes_its_lease_and_its_begin_the_last_look(
    database: Database, job: Database
) -> None:
    """The job may delete neither row: triggers do."""
    await execute(
        database,
        "INSERT INTO orphans (interview_id, token, look_again_at) VALUES ('one', 0, now())",
    )
    await take_lease(job, "one", job_id="AJ_1", lease_s=LEASE_S)
    assert await rows_of(database) == (1, 0)
    await store_end(
        job,
        "one",
        job_id="AJ_1",
        token=1,
        outcome=Outcome.COMPLETED,
        reason=Reason.INTERVIEW_COMPLETED,
    )
    assert await rows_of(database) == (0, 0)


async def test_a_job_that_hands_over_claims_its_own_interview_and_no_other(
    database: Database, job: Database
) -> None:
    limits = Limits(join_s=6.0, delay_s=1.0, tries=3, scope=SCOPE)
    for db, interview_id, job_id in ((job, "one", "AJ_1"), (database, "two", "AJ_2")):
        await take_lease(db, interview_id, job_id=job_id, lease_s=LEASE_S, scope=SCOPE)
        await ship(db, header(job_id, interview_id, token=1), answer().records)
        await store_end(
            db,
            interview_id,
            job_id=job_id,
            token=1,
            outcome=Outcome.HANDED_OVER,
            reason=Reason.HANDOVER_REQUESTED,
        )
    assert await find_orphaned(job, limits, job_id="AJ_2") == []
    found = await find_orphaned(job, limits, job_id="AJ_1")
    assert [(each.interview.interview_id, each.interview.plan) for each in found] == [("one", PLAN)]
    assert await claim_dispatches(job, found, limits) == {"one": 2}
    assert len((await turns_of_all(job, ["one"]))["one"]) == 3
    assert await talk_seconds(job, "one") == await talk_seconds(database, "one")
    await note_dispatches(job, {"one": (2, "AD_1")})
    await give_back_dispatches(job, [(found[0], 2)])  # was sent, so nothing is given back
    stored = await get_interview(database, "one")
    assert stored is not None
    assert (stored.token, stored.dispatch_id) == (2, "AD_1")


async def test_a_job_of_an_own_agent_stores_its_work(access: JobAccess) -> None:
    db = await Database.open(access.url_for("booking-17", "interview-booking-17"))
    try:
        work = {"interview_id": "booking-17", "table": 4}
        stored = await create_interview(db, interview_id="booking-17", plan=work, scope=SCOPE)
        assert stored.plan == work
    finally:
        await db.aclose()


async def test_a_job_costs_no_more_round_trips_with_a_role_of_its_own(access: JobAccess) -> None:
    async with CountingProxy(access.url_for("one", "interview-one")) as wire:
        db = await Database.open(wire.url)
        await db.ping()

        async def cost(operation: Awaitable[object]) -> int:
            before = wire.round_trips
            await operation
            return wire.round_trips - before

        journal = JobRecords()
        journal.said("candidate", "My answer.")
        costs = {
            "take": await cost(take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)),
            "check": await cost(keep_lease(db, "one", job_id="AJ_1", token=1, lease_s=LEASE_S)),
            "turn": await cost(ship(db, header("AJ_1"), journal.records)),
        }
        await db.aclose()
    assert costs == dict.fromkeys(costs, 2)
