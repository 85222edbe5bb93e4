from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.database.job_records import START, JobRecords, Record, header
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.interview_dialogue import dialogue_of, turns_and_dialogue_of
from worker.store.interview_turns import turns_of
from worker.store.interviews import create_interview, get_interview
from worker.store.jobs import JobHeader, get_job, list_jobs, records_of, ship

if TYPE_CHECKING:
    from worker.store.database import Database


@pytest.fixture
async def db(database: Database) -> Database:
    plan = load_plan(SAMPLE_PLAN).to_json()
    await create_interview(database, interview_id="one", plan=plan, room="r")
    return database


async def outcome_of(db: Database) -> tuple[str, str | None, str | None]:
    interview = await get_interview(db, "one")
    assert interview is not None
    return interview.status.value, interview.outcome, interview.reason


def whole_job() -> list[Record]:
    journal = JobRecords()
    journal.add("job", job_id="AJ_1", interview_id="one", room="r", worker_id="w", pid=7)
    journal.transition("CONNECTED")
    journal.add("condition", resource="vad", status="loading", reason="", message="", since=1)
    journal.add("condition", resource="vad", status="failed", reason="Timeout", message="", since=2)
    journal.transition("RUNNING")
    journal.said("interviewer", "What? And why?", generated="What? And why?", heard="What?",
                 interrupted=True, role="question")  # fmt: skip
    journal.said("candidate", "This, because.", role="answer")
    journal.transition("CLOSED", outcome="completed", reason="InterviewCompleted")
    journal.add("exit", exit_code=0, signal=None)
    return journal.records


async def test_a_complete_journal_becomes_a_job_its_turns_and_the_interviews_end(
    db: Database,
) -> None:
    records = whole_job()
    shipped = await ship(db, header(), records)
    assert (shipped.written, shipped.repeated, shipped.refused) == (len(records), 0, ())
    assert await records_of(db, "AJ_1") == records
    job = await get_job(db, "AJ_1")
    assert job is not None
    assert (job.interview_id, job.room, job.worker_id, job.pid) == ("one", "r", "w", 7)
    assert (job.state, job.outcome, job.reason) == ("CLOSED", "completed", "InterviewCompleted")
    assert (job.exit_code, job.signal, job.started_at) == (0, None, START)
    assert job.ended_at == START + timedelta(seconds=7)
    assert job.conditions["vad"]["status"] == "failed"
    asked, answered = await turns_of(db, "one")
    assert (asked.speaker, asked.text, asked.heard) == ("interviewer", "What?", "What?")
    assert (asked.generated, asked.interrupted, asked.role) == ("What? And why?", True, "question")
    assert (answered.speaker, answered.text, answered.heard) == (
        "candidate",
        "This, because.",
        None,
    )
    assert (answered.job_id, answered.seq, answered.question_id) == ("AJ_1", 6, "q1")
    assert not asked.late
    assert await outcome_of(db) == ("ended", "completed", "InterviewCompleted")


async def test_records_shipped_again_in_any_batches_change_nothing(db: Database) -> None:
    records = whole_job()
    for portion in (records[:3], records[1:5], records, records[2:4], records[:1]):
        await ship(db, header(), portion)
    once_more = await ship(db, header(), records)
    assert (once_more.written, once_more.repeated) == (0, len(records))
    assert await records_of(db, "AJ_1") == records
    job = await get_job(db, "AJ_1")
    assert job is not None
    assert (job.state, job.started_at) == ("CLOSED", START)
    assert job.conditions["vad"]["status"] == "failed"
    assert len(await turns_of(db, "one")) == 2
    assert await outcome_of(db) == ("ended", "completed", "InterviewCompleted")


async def test_two_shippers_at_once_write_each_record_once(db: Database) -> None:
    records = whole_job()
    shipped = await asyncio.gather(*(ship(db, header(), records) for _ in range(4)))
    assert sum(part.written for part in shipped) == len(records)
    assert await records_of(db, "AJ_1") == records


async def test_a_long_journal_is_shipped_completely(db: Database) -> None:
    journal = JobRecords()
    for number in range(1201):
        journal.add("step", name="load", number=number)
    assert (await ship(db, header(), journal.records)).written == 1201
    assert await records_of(db, "AJ_1") == journal.records


async def test_only_the_bad_record_of_a_batch_is_refused(db: Database) -> None:
    journal = JobRecords()
    good = journal.said("candidate", "Half a \ud800 and a \0.")
    bad = good | {"seq": "one"}
    shipped = await ship(db, header(), [good, bad, {}])
    assert shipped.written == 1
    assert shipped.refused == ((1, "seq"), (2, "seq"))
    [turn] = await turns_of(db, "one")
    replaced = "\N{REPLACEMENT CHARACTER}"
    assert turn.text == f"Half a {replaced} and a {replaced}."


async def test_a_process_that_was_killed_has_failed(db: Database) -> None:
    journal = JobRecords()
    journal.transition("RUNNING")
    journal.add("exit", exit_code=-9, signal=9)
    await ship(db, header(), journal.records)
    job = await get_job(db, "AJ_1")
    assert job is not None
    assert (job.state, job.signal, job.outcome) == ("RUNNING", 9, "failed")
    assert await outcome_of(db) == ("ended", "failed", "ProcessKilled")


async def test_a_process_that_exits_without_closing_has_failed(db: Database) -> None:
    journal = JobRecords()
    journal.transition("RUNNING")
    journal.add("exit", exit_code=3, signal=None)
    await ship(db, header(), journal.records)
    assert await outcome_of(db) == ("ended", "failed", "ProcessExited")


async def test_an_exit_after_closing_keeps_the_outcome(db: Database) -> None:
    journal = JobRecords()
    journal.transition("CLOSED", outcome="completed", reason="InterviewCompleted")
    journal.add("exit", exit_code=-9, signal=9)
    await ship(db, header(), journal.records)
    assert await outcome_of(db) == ("ended", "completed", "InterviewCompleted")


async def test_turns_from_a_lost_lease_are_kept_and_marked_late(db: Database) -> None:
    await db.run(
        "raise", lambda c: c.execute("UPDATE interviews SET token = 2 WHERE interview_id = 'one'")
    )
    old, new = JobRecords(start=START + timedelta(hours=1)), JobRecords()
    old.said("candidate", "from the old one")
    new.said("candidate", "from the new one")
    await ship(db, header("AJ_new", token=2), new.records)
    await ship(db, header("AJ_old", token=1), old.records)
    turns = await turns_of(db, "one")
    # Ordered by token, regardless of the two machines' clocks.
    assert [(turn.text, turn.late) for turn in turns] == [
        ("from the old one", True),
        ("from the new one", False),
    ]


async def test_jobs_without_an_interview_or_of_an_unknown_one_are_recorded(
    db: Database,
) -> None:
    journal = JobRecords()
    journal.transition("CLOSED", outcome="failed", reason="OrchestratorFailed")
    await ship(db, header("AJ_a", None), journal.records)
    await ship(db, header("AJ_b", "unknown"), journal.records)
    ids = {job.job_id: job.interview_id for job in await list_jobs(db)}
    assert ids == {"AJ_a": None, "AJ_b": "unknown"}
    assert [job.job_id for job in await list_jobs(db, "unknown")] == ["AJ_b"]
    assert await outcome_of(db) == ("created", None, None)


async def test_a_journals_job_records_are_used_without_a_header(db: Database) -> None:
    journal = JobRecords()
    journal.add("job", job_id="AJ_1", interview_id="one", room="r", worker_id="w", pid=7)
    journal.add("job", job_id="AJ_1", token=5)
    journal.said("candidate", "Yes.")
    await ship(db, JobHeader(job_id="AJ_1"), journal.records)
    job = await get_job(db, "AJ_1")
    assert job is not None
    assert (job.interview_id, job.token, job.worker_id) == ("one", 5, "w")
    assert len(await turns_of(db, "one")) == 1


async def test_jobs_are_listed_newest_first(db: Database) -> None:
    for number in range(3):
        journal = JobRecords(start=START + timedelta(minutes=number))
        journal.transition("CONNECTED")
        await ship(db, header(f"AJ_{number}"), journal.records)
    assert [job.job_id for job in await list_jobs(db, limit=2)] == ["AJ_2", "AJ_1"]
    assert await get_job(db, "AJ_9") is None
    assert await records_of(db, "AJ_9") == []


async def test_a_header_alone_creates_a_job(db: Database) -> None:
    assert (await ship(db, header(worker_id="w"), [])).written == 0
    job = await get_job(db, "AJ_1")
    assert job is not None
    assert (job.worker_id, job.started_at, job.state) == ("w", None, None)


async def test_the_partial_answer_of_a_dead_job_is_its_last_turn(
    db: Database,
) -> None:
    journal = JobRecords()
    journal.add("hearing", final="I led a team.", interim="", question_id="q0")
    taken = journal.add("hearing", final="", interim="it was", question_id="q0")
    journal.said("candidate", "I led a team. It was small.", hearing=taken["seq"])
    journal.add("hearing", final="I learned", interim="", question_id="q1")
    journal.add("hearing", final="", interim="to this", question_id="q1")
    journal.add("hearing", final="to listen", interim="", question_id="q1")
    last = journal.add("hearing", final="", interim="and to", question_id="q1")
    journal.add("exit", exit_code=-9, signal=9)
    await ship(db, header(), journal.records)
    whole, half = await turns_of(db, "one")
    assert (whole.text, whole.interrupted, whole.interim) == (
        "I led a team. It was small.",
        False,
        "",
    )
    assert (half.speaker, half.text, half.interim) == (
        "candidate",
        "I learned to listen and to",
        "and to",
    )
    assert (half.job_id, half.seq, half.question_id) == ("AJ_1", last["seq"], "q1")
    assert half.interrupted


@pytest.mark.row("B5")
async def test_a_partial_answer_comes_before_the_turns_of_the_next_job(db: Database) -> None:
    first, second = JobRecords(), JobRecords(start=START + timedelta(minutes=1))
    first.add("lease", token=1)
    first.add("hearing", final="First this,", interim="", question_id="q1")
    second.add("lease", token=2)
    second.said("interviewer", "What?", heard="What?", role="repeat")
    heard = second.add("hearing", final="and then that.", interim="", question_id="q1")
    second.said("candidate", "and then that.", hearing=heard["seq"])
    # A worker that was offline may ship the last job's journal first.
    await ship(db, header("AJ_2"), second.records)
    await ship(db, header("AJ_1"), first.records)
    texts = [turn.text for turn in await turns_of(db, "one")]
    assert texts == ["First this,", "What?", "and then that."]


async def test_a_partial_answer_that_became_a_turn_is_stored_once(db: Database) -> None:
    journal = JobRecords()
    heard = journal.add("hearing", final="I led", interim="a", question_id="q1")
    journal.said("candidate", "I led a", interrupted=True, hearing=heard["seq"])
    await ship(db, header(), journal.records)
    assert [turn.text for turn in await turns_of(db, "one")] == ["I led a"]


async def test_an_empty_hearing_record_is_not_a_turn(db: Database) -> None:
    journal = JobRecords()
    journal.said("candidate", "Well.", hearing="edited by hand")
    journal.add("hearing", final="", interim="", question_id=None)
    journal.add("hearing")
    await ship(db, header(), journal.records)
    assert [turn.text for turn in await turns_of(db, "one")] == ["Well."]


async def test_turns_and_dialogue_records_are_read_together_as_they_are_read_apart(
    db: Database,
) -> None:
    assert await turns_and_dialogue_of(db, "one") == ([], [])
    old, new = JobRecords(start=START + timedelta(hours=1)), JobRecords()
    old.add("dialogue", number=1, input="event", name="present")
    old.said("candidate", 'from the "old" one \u2013 \u00fc')
    old.add("hearing", final="and a half", interim="answer", question_id="q0")
    new.add("dialogue", number=2, input="event", name="resumed")
    new.said("interviewer", "from the new one")
    await ship(db, header("AJ_new", token=2), new.records)
    await ship(db, header("AJ_old", token=1), old.records)
    turns, dialogue = await turns_and_dialogue_of(db, "one")
    assert turns == await turns_of(db, "one")
    assert dialogue == await dialogue_of(db, "one")
    assert [(job, record["number"]) for job, record in dialogue] == [("AJ_old", 1), ("AJ_new", 2)]
    assert len(turns) == 3
