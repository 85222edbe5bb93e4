"""The progress of an interview, driven by the records of its jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.database.job_records import START, JobRecords, header
from tests.support.database.lease_times import SCOPE
from worker.interview.ends import ENDS
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.interview_status import set_dispatched
from worker.store.interviews import Interview, create_interview, get_interview
from worker.store.jobs import get_job, ship
from worker.store.orphans import Limits, find_orphaned

if TYPE_CHECKING:
    from worker.store.database import Database

LIMITS = Limits(join_s=10.0, delay_s=2.0, tries=3, scope=SCOPE)
RUNNING = ("running", None, None)
COMPLETED = ("ended", "completed", "InterviewCompleted")
#: Outcome and reason of each end that the dialogue decides, by whether the interview is over.
FINAL = [
    (end.outcome.value, end.reason)
    for name, end in ENDS.items()
    if name not in ("candidate_postponed", "candidate_missed", "questions_not_heard")
]
FOR_NOW = [
    (ENDS[name].outcome.value, ENDS[name].reason)
    for name in ("candidate_postponed", "candidate_missed")
]


@pytest.fixture
async def db(database: Database) -> Database:
    """Return a database with the interview `one`."""
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    return database


class SentJob:
    """A job of the interview, sent one hour after the job with the previous number."""

    def __init__(self, db: Database, number: int = 1) -> None:
        self.job_id = f"AJ_{number}"
        self._db = db
        self._journal = JobRecords(start=START + timedelta(hours=number))

    async def runs(self) -> None:
        self._journal.transition("RUNNING")
        await self.ships_all()

    async def closes(self, outcome: str, reason: str) -> None:
        self._journal.transition("CLOSED", outcome=outcome, reason=reason)
        await self.ships_all()

    async def is_killed(self) -> None:
        self._journal.said("candidate", "My last words.")
        self._journal.add("exit", exit_code=-9, signal=9)
        await self.ships_all()

    async def ships_all(self) -> None:
        await ship(self._db, header(self.job_id), self._journal.records)


async def interview_in(db: Database) -> Interview:
    interview = await get_interview(db, "one")
    assert interview is not None
    return interview


async def progress_of(db: Database) -> tuple[str, str | None, str | None]:
    interview = await interview_in(db)
    return interview.status.value, interview.outcome, interview.reason


async def test_an_interview_goes_from_dispatched_to_running_to_ended(db: Database) -> None:
    assert await set_dispatched(db, "one", dispatch_id="D1")
    dispatched = await interview_in(db)
    assert (dispatched.dispatch_id, dispatched.dispatch_token) == ("D1", 0)
    assert dispatched.dispatched_at is not None
    job = SentJob(db)
    await job.runs()
    assert await progress_of(db) == RUNNING
    await job.closes("completed", "InterviewCompleted")
    assert await progress_of(db) == COMPLETED


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("completed", "InterviewCompleted"),
        # An outside client closed the room: a deliberate end.
        ("cancelled", "RoomDeleted"),
        *FINAL,
    ],
)
async def test_a_finished_interview_takes_no_further_job(
    db: Database, outcome: str, reason: str
) -> None:
    await SentJob(db).closes(outcome, reason)
    assert (await interview_in(db)).is_over
    assert not await set_dispatched(db, "one", dispatch_id="D2")
    # A job that is unaware of the end does not reopen the interview.
    await SentJob(db, 2).runs()
    assert await progress_of(db) == ("ended", outcome, reason)


@pytest.mark.parametrize(("outcome", "reason"), FINAL)
async def test_no_interviewer_follows_an_end_that_the_candidate_wanted(
    db: Database, outcome: str, reason: str
) -> None:
    await set_dispatched(db, "one", dispatch_id="D1")
    job = SentJob(db)
    await job.runs()
    await job.closes(outcome, reason)
    assert await find_orphaned(db, LIMITS) == []


@pytest.mark.parametrize(("outcome", "reason"), FOR_NOW)
async def test_a_postponed_or_missed_interview_waits_inside_its_window(
    db: Database, outcome: str, reason: str
) -> None:
    job = SentJob(db)
    await job.runs()
    await job.closes(outcome, reason)
    assert await progress_of(db) == ("waiting", None, reason)
    (orphan,) = await find_orphaned(db, LIMITS)
    assert orphan.why == "CandidateCame"
    ended = await get_job(db, "AJ_1")
    assert ended is not None
    assert (ended.outcome, ended.reason) == (outcome, reason)
    await SentJob(db, 2).runs()
    assert await progress_of(db) == RUNNING


@pytest.mark.parametrize(("outcome", "reason"), FOR_NOW)
async def test_a_postponed_or_missed_interview_is_over_after_its_window(
    db: Database, outcome: str, reason: str
) -> None:
    job = SentJob(db)
    await job.runs()
    closed = "UPDATE interviews SET closes_at = now() - interval '1 s'"
    await db.run("close", lambda connection: connection.execute(closed))
    await job.closes(outcome, reason)
    assert await progress_of(db) == ("ended", outcome, reason)
    assert (await interview_in(db)).is_over


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("failed", "OrchestratorFailed"),
        ("failed", "QuestionsNotHeard"),
        ("cancelled", "ShutdownRequested"),
    ],
)
async def test_an_interview_whose_job_failed_or_lost_its_worker_can_continue(
    db: Database, outcome: str, reason: str
) -> None:
    await SentJob(db).closes(outcome, reason)
    assert await progress_of(db) == ("ended", outcome, reason)
    assert not (await interview_in(db)).is_over
    assert await set_dispatched(db, "one", dispatch_id="D2")
    assert await progress_of(db) == ("dispatched", None, None)
    await SentJob(db, 2).runs()
    assert await progress_of(db) == RUNNING


async def test_a_job_with_an_unrecorded_dispatch_sets_a_failed_interview_running(
    db: Database,
) -> None:
    await SentJob(db).closes("failed", "RoomLost")
    await SentJob(db, 2).runs()
    assert await progress_of(db) == RUNNING


async def test_a_journal_shipped_again_does_not_undo_a_dispatch(db: Database) -> None:
    dead = SentJob(db)
    await dead.is_killed()
    await set_dispatched(db, "one", dispatch_id="D2")
    await dead.ships_all()
    assert await progress_of(db) == ("dispatched", None, None)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("superseded", "LeaseLost"),
        ("handed_over", "HandoverRequested"),
        ("cancelled", "InterviewAlreadyOver"),
    ],
)
async def test_a_superseded_or_handed_over_job_does_not_end_the_interview(
    db: Database, outcome: str, reason: str
) -> None:
    job = SentJob(db)
    await job.runs()
    await job.closes(outcome, reason)
    assert await progress_of(db) == RUNNING


@pytest.mark.parametrize(
    ("outcome", "reason"), [("superseded", "LeaseLost"), ("cancelled", "InterviewAlreadyOver")]
)
async def test_a_job_that_came_too_late_does_not_change_the_outcome(
    db: Database, outcome: str, reason: str
) -> None:
    await SentJob(db).closes("completed", "InterviewCompleted")
    await SentJob(db, 2).closes(outcome, reason)
    assert await progress_of(db) == COMPLETED
    job = await get_job(db, "AJ_2")
    assert job is not None
    assert (job.outcome, job.reason) == (outcome, reason)


async def test_a_dead_jobs_late_journal_does_not_end_its_successors_interview(
    db: Database,
) -> None:
    await SentJob(db, 2).runs()
    await SentJob(db, 1).is_killed()
    assert await progress_of(db) == RUNNING


async def test_the_last_job_decides_how_the_interview_ended(db: Database) -> None:
    first, second = SentJob(db, 1), SentJob(db, 2)
    await first.runs()
    await second.runs()
    await first.closes("failed", "RoomLost")
    assert await progress_of(db) == RUNNING
    await second.closes("completed", "InterviewCompleted")
    assert await progress_of(db) == COMPLETED


async def test_an_intruder_that_leaves_superseded_does_not_keep_the_interview_open(
    db: Database,
) -> None:
    """The end of the rightful job counts again as soon as the intruder's end is known."""
    rightful, intruder = SentJob(db, 1), SentJob(db, 2)
    await rightful.runs()
    await intruder.runs()
    await rightful.closes("completed", "InterviewCompleted")
    assert await progress_of(db) == RUNNING
    await intruder.closes("superseded", "LeaseLost")
    assert await progress_of(db) == COMPLETED
