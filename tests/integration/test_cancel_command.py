"""`interviews cancel`: an interview ends for good, whatever it was doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database.job_records import JobRecords, header
from tests.support.database.lease_times import passes, renew
from worker.cli import interviews
from worker.cli.errors import ExitCode, code_of
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.operations.errors import InterviewNotFound, InterviewTooNew, NothingToCancel
from worker.store.claims import claim_dispatches
from worker.store.interview_status import set_dispatched
from worker.store.interviews import Interview, InterviewStatus, create_interview, get_interview
from worker.store.jobs import ship
from worker.store.leases import InterviewCancelled, keep_lease, take_lease
from worker.store.orphans import Limits, find_orphaned
from worker.store.scope import PROTOCOL, Scope

if TYPE_CHECKING:
    from worker.store.database import Database

CANCELLED = (InterviewStatus.ENDED, "cancelled", "CancelRequested")
SCOPE = Scope(agent_name="interviewer", livekit="ws://livekit", takes_unnamed=True)


@pytest.fixture
async def db(
    database: Database, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """Return a database with the interview `one`, which the command uses."""
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    return database


async def interview_in(db: Database) -> Interview:
    interview = await get_interview(db, "one")
    assert interview is not None
    return interview


async def end_of(db: Database) -> tuple[InterviewStatus, str | None, str | None]:
    interview = await interview_in(db)
    return interview.status, interview.outcome, interview.reason


async def ship_end(db: Database, outcome: str, reason: str, **fields: Any) -> None:
    job = JobRecords()
    job.transition("CLOSED", outcome=outcome, reason=reason)
    await ship(db, header(**fields), job.records)


async def test_an_interview_that_nobody_holds_is_over_and_its_token_rises(db: Database) -> None:
    shown = await interviews._cancel("one")
    assert await end_of(db) == CANCELLED
    assert (shown["status"], shown["outcome"], shown["reason"]) == CANCELLED
    assert (await interview_in(db)).token == 1


async def test_an_interview_that_waits_for_its_candidate_is_over(db: Database) -> None:
    await ship_end(db, "abandoned", "CandidateNeverJoined")
    assert (await end_of(db))[0] is InterviewStatus.WAITING
    await interviews._cancel("one")
    assert await end_of(db) == CANCELLED


async def test_cancelling_twice_changes_nothing_more(db: Database) -> None:
    first = await interviews._cancel("one")
    assert await interviews._cancel("one") == first
    assert (await interview_in(db)).token == 1


async def test_a_job_that_holds_the_interview_learns_of_the_cancellation(db: Database) -> None:
    token = await take_lease(db, "one", job_id="AJ_1", lease_s=3)
    assert token == 1
    await interviews._cancel("one")
    holder = await keep_lease(db, "one", job_id="AJ_1", token=token, lease_s=3)
    assert holder is not None
    assert (holder.token, holder.job_id, holder.cancelled) == (2, None, True)
    for job_id in ("AJ_1", "AJ_2"):
        with pytest.raises(InterviewCancelled):
            await take_lease(db, "one", job_id=job_id, lease_s=3)


async def test_a_job_that_was_not_cancelled_is_told_so(db: Database) -> None:
    token = await take_lease(db, "one", job_id="AJ_1", lease_s=3)
    assert token is not None
    holder = await keep_lease(db, "one", job_id="AJ_1", token=token, lease_s=3)
    assert holder is not None
    assert not holder.cancelled


@pytest.mark.parametrize("token", [1, None])
@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("cancelled", "CancelRequested"),
        ("completed", "InterviewCompleted"),
        ("failed", "ProcessKilled"),
        ("abandoned", "CandidateLeft"),
    ],
)
async def test_no_end_of_a_job_changes_a_cancelled_interview(
    db: Database, outcome: str, reason: str, token: int | None
) -> None:
    await take_lease(db, "one", job_id="AJ_1", lease_s=3)
    await interviews._cancel("one")
    await ship_end(db, outcome, reason, job_id="AJ_1" if token else "AJ_without_lease")
    assert await end_of(db) == CANCELLED


async def test_a_cancelled_interview_is_neither_dispatched_nor_redispatched(db: Database) -> None:
    await set_dispatched(db, "one", dispatch_id="D1")
    await renew(db)
    await passes(db, "lease_contact", "calm_since", 60.0)
    limits = Limits(join_s=0.0, delay_s=0.0, tries=3, scope=SCOPE)
    found = await find_orphaned(db, limits)
    assert [each.interview.interview_id for each in found] == ["one"]
    await interviews._cancel("one")
    assert await claim_dispatches(db, found, limits) == {}
    assert await find_orphaned(db, limits) == []
    assert not await set_dispatched(db, "one", dispatch_id="D2")
    assert await end_of(db) == CANCELLED


async def test_an_interview_that_failed_can_be_cancelled(db: Database) -> None:
    """The interview could continue, because another interviewer could be sent to it."""
    await ship_end(db, "failed", "ProcessKilled")
    await interviews._cancel("one")
    assert await end_of(db) == CANCELLED


async def test_an_interview_that_ended_in_another_way_stays_as_it_is(db: Database) -> None:
    await ship_end(db, "completed", "InterviewCompleted")
    with pytest.raises(NothingToCancel, match=r"is over \(completed, InterviewCompleted\)") as no:
        await interviews._cancel("one")
    assert code_of(no.value) is ExitCode.FAILED
    assert (await end_of(db))[1] == "completed"


async def test_an_unknown_interview_cannot_be_cancelled(db: Database) -> None:
    with pytest.raises(InterviewNotFound) as unknown:
        await interviews._cancel("none")
    assert code_of(unknown.value) is ExitCode.NOT_FOUND


async def test_an_interview_of_a_later_version_is_left_to_that_version(db: Database) -> None:
    await db.run("newer", lambda c: c.execute("UPDATE interviews SET protocol = $1", PROTOCOL + 1))
    with pytest.raises(InterviewTooNew, match="use the command of that version"):
        await interviews._cancel("one")
    assert (await end_of(db))[0] is InterviewStatus.CREATED
