"""An interviewer dies mid-interview and another continues: on real processes and a real room."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.journal import read_records
from states.testing import assert_outcome
from tests.support.live.coming_back import (
    COMES_BACK,
    LONGEST_ALONE_S,
    alone_after,
    has_asked,
    identity_of,
    is_over,
    roles_of,
    successor,
)
from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, place_of, word_error_rate, words
from tests.support.live.one_question import PLAN, SCRIPT, is_running
from tests.support.live.running_worker import StartWorker
from tests.support.live.waiting import PATIENCE_S, eventually
from worker.demo.script import CandidateScript
from worker.simulation.conversation import hold_conversation
from worker.simulation.voice import LocalVoice
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.interview_turns import turns_of

if TYPE_CHECKING:
    from states import History
    from tests.support.live.running_worker import RunningWorker
    from tests.support.live.scenarios import Record

pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.xdist_group("returning_worker")]


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def has_own_role(worker: RunningWorker, job: History) -> None:
    """Assert that a job uses a database role of its own, and that /proc shows no database URL."""
    environment = environment_of(job.header["pid"])
    assert b"postgresql://" not in environment
    async with worker.database() as database:
        query = "SELECT count(*) AS jobs FROM pg_stat_activity WHERE usename ~ '^interview_jobs_'"
        (row,) = await database.fetch("roles", query)
    assert row["jobs"] > 0


@pytest.mark.row("B4", "B5")
async def test_a_killed_interviewers_successor_announces_itself_and_asks_nothing_twice(
    returning_worker: RunningWorker, record_property: Record
) -> None:
    worker = returning_worker
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        first = await worker.job(interview.room, until=has_asked)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await has_own_role(worker, first)
        killed_s = candidate.now_s
        os.kill(first.header["pid"], signal.SIGKILL)
        alone_s = await alone_after(candidate, killed_s)
        record_property("alone_s", f"{alone_s:.2f}")
        assert alone_s < LONGEST_ALONE_S
        second = await successor(worker, interview, first)
        assert second.header["follows_job"] == first.header["job_id"]
        assert second.header["follows_why"] == Reason.PROCESS_KILLED
        await hold_conversation(candidate, SCRIPT, interviewer=identity_of(second))
        assert "i am back" in await heard_by(candidate, since_s=killed_s)
    assert await is_over(worker, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert await roles_of(worker, interview) == ["opening", "repeat", "answer", "closing"]


FIRST_HALF = "I learned to listen before I say anything,"
SECOND_HALF = "and to write a small test before I change a program."


def words_written(worker: RunningWorker, job: History) -> str:
    """Return the final text of the answer in progress from the job's journal."""
    path = worker.data_dir / "journals" / f"{job.header['job_id']}.jsonl"
    return " ".join(
        record["final"] for record in read_records(path).records if record["kind"] == "hearing"
    )


async def test_a_partial_answer_survives_its_interviewer_and_is_joined_with_the_rest(
    returning_worker: RunningWorker,
) -> None:
    worker = returning_worker
    # Long enough to die in the middle of the answer.
    question = replace(PLAN.questions[0], thinking_pause_s=5.0)
    interview = await worker.create(replace(PLAN, questions=(question,)))
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        first = await worker.job(interview.room, until=has_asked)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await candidate.say(*await LocalVoice().render(FIRST_HALF))
        await eventually(lambda: words_written(worker, first), "the words in the journal")
        os.kill(first.header["pid"], signal.SIGKILL)
        second = await successor(worker, interview, first)
        rest = CandidateScript(PLAN, answers={question.id: SECOND_HALF})
        await hold_conversation(candidate, rest, interviewer=identity_of(second))
    assert await is_over(worker, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert await roles_of(worker, interview) == ["opening", "answer", "repeat", "answer", "closing"]
    async with worker.database() as database:
        turns = await turns_of(database, interview.interview_id)
    half, rest_of_it = (turn for turn in turns if turn.speaker == "candidate")
    assert (half.job_id, half.question_id) == (first.header["job_id"], question.id)
    assert half.interrupted
    assert not rest_of_it.interrupted
    said = f"{half.text} {rest_of_it.text}"
    assert word_error_rate(f"{FIRST_HALF} {SECOND_HALF}", said) <= MOST_WORD_ERRORS
    # The candidate's words are in the database and the journal only, not in the log.
    assert "before i say" not in worker.log_path.read_text().lower()


LONG_ANSWER = (
    "I learned to listen before I say anything, and to write a small test before I change a"
    " program, and to ask for help a little sooner, and to read what is there before I begin."
)


@pytest.mark.alone
async def test_a_successor_that_joins_during_an_answer_asks_for_it_again(
    returning_worker: RunningWorker, record_property: Record
) -> None:
    worker = returning_worker
    interview = await worker.create(PLAN)
    (question,) = PLAN.questions
    samples, rate = await LocalVoice().render(LONG_ANSWER)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        first = await worker.job(interview.room, until=has_asked)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        began_s = candidate.now_s
        os.kill(first.header["pid"], signal.SIGKILL)
        spoken = await candidate.say(samples, rate)
        # Skip audio of the killed interviewer that is still in transit.
        back_s = await candidate.wait_for_sound(since_s=began_s + 0.3, timeout_s=PATIENCE_S)
        record_property("back_before_the_end_s", f"{spoken.end_s - back_s:.2f}")
        assert back_s < spoken.end_s - 1.0, "the successor joined after the answer"
        second = await successor(worker, interview, first)
        script = CandidateScript(PLAN, answers={question.id: LONG_ANSWER})
        await hold_conversation(candidate, script, interviewer=identity_of(second))
        heard = await heard_by(candidate, since_s=spoken.end_s)
        assert place_of(question.text, heard) is not None
    assert await is_over(worker, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert await roles_of(worker, interview) == ["opening", "answer", "repeat", "answer", "closing"]
    async with worker.database() as database:
        turns = await turns_of(database, interview.interview_id)
    half, whole = (turn for turn in turns if turn.speaker == "candidate")
    assert half.job_id != first.header["job_id"]
    assert (half.question_id, half.interrupted) == (question.id, True)
    assert (whole.question_id, whole.interrupted) == (question.id, False)
    assert words(half.text)[:3] != words(LONG_ANSWER)[:3], "nothing of it was missed"
    assert word_error_rate(LONG_ANSWER, whole.text) <= MOST_WORD_ERRORS


async def test_of_two_interviewers_dispatched_at_once_one_speaks_and_one_leaves_silently(
    returning_worker: RunningWorker,
) -> None:
    worker = returning_worker
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await asyncio.gather(*(worker.send_interviewer(interview) for _ in range(2)))
        await hold_conversation(candidate, SCRIPT)
    assert await is_over(worker, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    jobs = await eventually(
        lambda: [each for each in worker.histories(interview.room) if each.exited],
        "the end of both",
    )
    (intruder,) = [each for each in jobs if each.outcome is Outcome.SUPERSEDED]
    assert_outcome(intruder, Outcome.SUPERSEDED, Reason.LEASE_LOST)
    assert intruder.turns == ()
    assert intruder.exit_code == 0
    assert await roles_of(worker, interview) == ["opening", "answer", "closing"]


@pytest.mark.row("B4")
async def test_after_a_worker_is_killed_another_one_redispatches(
    start_worker: StartWorker, record_property: Record
) -> None:
    doomed = await start_worker(COMES_BACK)
    interview = await doomed.create(PLAN)
    async with await EmbeddedPostgres.start(doomed.data_dir) as database:
        async with doomed.candidate_of(interview) as candidate:
            await doomed.send_interviewer(interview)
            await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
            first = await doomed.job(interview.room, until=is_running)
            other = await start_worker(
                {
                    **COMES_BACK,
                    "DATABASE_URL": database.url,
                    "INTERVIEW_AGENT_NAME": doomed.agent_name,
                }
            )
            killed_s = candidate.now_s
            assert doomed.process is not None
            for pid in (doomed.process.pid, first.header["pid"]):
                os.kill(pid, signal.SIGKILL)
            alone_s = await alone_after(candidate, killed_s)
            record_property("alone_s", f"{alone_s:.2f}")
            second = await successor(other, interview)
            assert second.header["follows_job"] == first.header["job_id"]
            assert second.header["follows_why"] == "LeaseExpired"
            await hold_conversation(candidate, SCRIPT, interviewer=identity_of(second))
            assert "i am back" in await heard_by(candidate, since_s=killed_s)
        assert await is_over(other, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
        assert await roles_of(other, interview) == ["opening", "repeat", "answer", "closing"]
