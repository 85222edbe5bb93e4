"""The time that the jobs of an interview have used, from their stored records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database.job_records import START, header
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.interviews import create_interview
from worker.store.jobs import ship
from worker.store.talk_time import talk_seconds, talk_seconds_of_all

if TYPE_CHECKING:
    from worker.store.database import Database


@pytest.fixture
async def db(database: Database) -> Database:
    """Return a database with the interview `one`."""
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    return database


class StoredJob:
    """A job whose records are stored as they are added."""

    def __init__(self, db: Database, job_id: str, interview_id: str = "one") -> None:
        self._db = db
        self._header = header(job_id, interview_id)
        self._seq = 0

    async def adds(self, t: float, kind: str, **fields: Any) -> None:
        """Store a record of the time `t`."""
        record = {"v": 1, "seq": self._seq, "at": START.isoformat(), "t": t, "kind": kind, **fields}
        self._seq += 1
        await ship(self._db, self._header, [record])

    async def enters(self, t: float, to: str, event: str = "e") -> None:
        await self.adds(t, "transition", **{"from": "X", "event": event, "to": to})

    async def clock(self, t: float, event: str) -> None:
        await self.adds(t, "clock", state="RUNNING", event=event)

    async def says(self, t: float) -> None:
        await self.adds(t, "turn", speaker="candidate", text="Words.", question_id="q1")


async def test_an_interview_without_jobs_has_used_no_time(db: Database) -> None:
    assert await talk_seconds(db, "one") == 0.0
    assert await talk_seconds(db, "unknown", besides="AJ_1") == 0.0


async def test_the_seconds_of_all_jobs_add_up_without_absences(db: Database) -> None:
    first = StoredJob(db, "AJ_1")
    await first.enters(1.0, "RUNNING")
    await first.clock(61.0, "clock_stopped")
    await first.clock(81.0, "clock_resumed")
    await first.enters(101.0, "CLOSING", "handover_requested")
    await first.adds(103.0, "step", name="ship", ok=True)
    await first.enters(104.0, "CLOSED", "closed")
    second = StoredJob(db, "AJ_2")
    await second.enters(0.5, "RUNNING")
    await second.enters(30.5, "CLOSING", "session_failed")
    other = StoredJob(db, "AJ_9", "another")
    await other.enters(0.0, "RUNNING")
    await other.enters(1000.0, "CLOSING")

    assert await talk_seconds(db, "one") == pytest.approx(60.0 + 20.0 + 30.0)
    assert await talk_seconds(db, "one", besides="AJ_2") == pytest.approx(80.0)
    assert await talk_seconds(db, "one", besides="AJ_9") == pytest.approx(110.0)


async def test_the_seconds_of_several_interviews_are_read_at_once(db: Database) -> None:
    first, other = StoredJob(db, "AJ_1"), StoredJob(db, "AJ_9", "another")
    await first.enters(1.0, "RUNNING")
    await first.enters(61.0, "CLOSING")
    await other.adds(0.2, "clock", state="READY", earlier_s=500.0)
    await other.enters(1.0, "RUNNING")
    await other.says(21.0)
    used = await talk_seconds_of_all(db, ["one", "another", "unknown"])
    assert used == pytest.approx({"one": 60.0, "another": 520.0, "unknown": 0.0})


async def test_of_a_job_that_died_the_time_up_to_its_last_record_counts(db: Database) -> None:
    dead = StoredJob(db, "AJ_1")
    await dead.adds(0.0, "job", job_id="AJ_1")
    await dead.enters(1.0, "RUNNING")
    await dead.says(40.0)
    await dead.adds(41.0, "hearing", final="", interim="And", question_id="q1")
    assert await talk_seconds(db, "one") == pytest.approx(40.0)
    await dead.adds(900.0, "exit", exit_code=-9, signal=9)
    assert await talk_seconds(db, "one") == pytest.approx(40.0)


async def test_a_superseded_job_counts_up_to_its_last_record_before_it_noticed(
    db: Database,
) -> None:
    stopped = StoredJob(db, "AJ_1")
    await stopped.enters(1.0, "RUNNING")
    await stopped.says(21.0)
    await stopped.adds(3600.0, "fault", where="lease", error="SeenInRoom")
    await stopped.enters(3600.1, "CLOSING", "lease_lost")
    await stopped.adds(3601.0, "step", name="stop_session", ok=True)
    await stopped.enters(3602.0, "CLOSED", "closed")
    assert await talk_seconds(db, "one") == pytest.approx(20.0)


async def test_what_a_job_knew_of_earlier_jobs_counts_while_their_records_are_missing(
    db: Database,
) -> None:
    """The journal of a machine that is gone may come later, or never."""
    second = StoredJob(db, "AJ_2")
    await second.adds(0.2, "clock", state="READY", earlier_s=500.0)
    await second.enters(1.0, "RUNNING")
    await second.adds(2.0, "clock", state="RUNNING", earlier_s=600.0)
    await second.enters(11.0, "CLOSING")
    assert await talk_seconds(db, "one") == pytest.approx(610.0)

    first = StoredJob(db, "AJ_1")
    await first.enters(0.0, "RUNNING")
    await first.enters(650.0, "CLOSING")
    assert await talk_seconds(db, "one") == pytest.approx(660.0)


@pytest.mark.parametrize("earlier_s", ["much", None, "NaN", True])
async def test_an_edited_record_hides_no_other_time(db: Database, earlier_s: object) -> None:
    job = StoredJob(db, "AJ_1")
    await job.adds(0.2, "clock", state="READY", earlier_s=earlier_s)
    await job.enters(1.0, "RUNNING")
    await job.enters(11.0, "CLOSING")
    assert await talk_seconds(db, "one") == pytest.approx(10.0)


async def test_a_record_without_its_fields_leaves_the_time_of_the_other_jobs(db: Database) -> None:
    edited = StoredJob(db, "AJ_1")
    await edited.adds(1.0, "transition")
    await edited.adds(2.0, "clock")
    job = StoredJob(db, "AJ_2")
    await job.enters(1.0, "RUNNING")
    await job.enters(11.0, "CLOSING")
    assert await talk_seconds(db, "one") == pytest.approx(10.0)
