"""A worker that drains in the middle of an interview hands it over to another worker."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome
from tests.support.database.worker_rows import Peers, other_workers
from tests.support.live.coming_back import identity_of, is_over, roles_of, successor
from tests.support.live.heard import heard_by
from tests.support.live.one_question import ANSWER, PLAN, SCRIPT, is_running
from tests.support.live.running_worker import StartWorker
from tests.support.live.waiting import PATIENCE_S, answered, eventually
from worker.aio.tasks import cancel_and_wait
from worker.audio.dsp import to_pcm
from worker.demo.script import CandidateScript
from worker.interview.plan.plan import Plan, Question
from worker.simulation.conversation import hold_conversation
from worker.speech import local_models
from worker.store.embedded.client import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from states import History
    from tests.support.live.running_worker import RunningWorker
    from tests.support.live.scenarios import Record
    from worker.simulation.room_candidate import Candidate
    from worker.store.interviews import Interview

pytestmark = pytest.mark.usefixtures("voices")

#: Seconds between the last sound of one interviewer and the first of the next. The goal is 2 s;
#: this is the limit for a busy machine.
LONGEST_WAIT_S = 6.0


ANSWERS = dict.fromkeys(("last-week", "next-year"), ANSWER)
#: A plan whose second question is too long for a leaving interviewer to finish.
LONG = Plan(
    title="A long question",
    opening=PLAN.opening,
    questions=(
        *PLAN.questions,
        Question(
            id="next-year",
            text=(
                "Let us come to something else, and please take all the time that you need for it."
                " What would you like to learn at work next year, and why would you like that?"
            ),
            follow_ups_allowed=0,
            thinking_pause_s=1.2,
        ),
    ),
    closing=PLAN.closing,
)


@asynccontextmanager
async def database_of(worker: RunningWorker) -> AsyncIterator[str]:
    """Yield the URL of the worker's database, which outlives the worker."""
    async with await EmbeddedPostgres.start(worker.data_dir) as database:
        yield database.url


async def another(start_worker: StartWorker, first: RunningWorker, url: str) -> RunningWorker:
    """Start a worker with the same agent name and database; wait until its slots are known."""
    shared = {"DATABASE_URL": url, "INTERVIEW_AGENT_NAME": first.agent_name}
    other = await start_worker(shared)
    async with other.database() as database:

        async def both_are_there() -> bool:
            there = await other_workers(database, first.agent_name, besides="", fresh_s=60.0)
            # The first worker has four slots, one of them in use.
            return there == Peers(workers=2, seats=3 + 4)

        await answered(both_are_there, "two workers in the database")
    return other


async def say(candidate: Candidate, text: str) -> None:
    """Let the candidate say `text`."""
    speech = await asyncio.to_thread(local_models.synthesize, text)
    await candidate.say(to_pcm(speech), local_models.TTS_SAMPLE_RATE)


async def terminate_twice(worker: RunningWorker) -> None:
    """Send SIGTERM, and again once the worker drains: two at once would count as one."""
    worker.terminate()
    await worker.logged("worker_draining")
    worker.terminate()


def came_second(candidate: Candidate) -> float:
    """Return the second at which the second interviewer joined the room."""
    came = [each for each in candidate.presence if each.event == "joined"]
    return [each.at_s for each in came if each.identity.startswith("interviewer-")][1]


def waited(candidate: Candidate) -> float:
    """Return the seconds of silence between the two interviewers."""
    second_s = came_second(candidate)
    spans = candidate.meter.spans
    last_s = max(span.end_s for span in spans if span.start_s < second_s)
    return min(span.start_s for span in spans if span.start_s >= second_s) - last_s


def has_left(candidate: Candidate) -> bool:
    """Return whether an interviewer has left the room."""
    return any(each.event == "left" for each in candidate.presence)


async def goes_on_with(
    other: RunningWorker, interview: Interview, candidate: Candidate, *, since_s: float
) -> History:
    """Hold the rest of the interview with the other worker's interviewer, and check all of it."""
    second = await successor(other, interview)
    assert second.header["follows_why"] == Reason.HANDOVER_REQUESTED
    # The question that the first interviewer could not finish needs no answer.
    await candidate.wait_until_interviewer_paused(
        quiet_s=1.0, since_s=came_second(candidate), timeout_s=PATIENCE_S
    )
    script = CandidateScript(LONG, answers=ANSWERS)
    await hold_conversation(candidate, script, interviewer=identity_of(second))
    heard = await heard_by(candidate, since_s=since_s)
    assert "one moment" in heard
    assert "i am back" in heard
    assert "sorry, we cannot" not in heard
    assert await is_over(other, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    return second


async def handed_over(worker: RunningWorker, interview: Interview) -> History:
    """Return the first worker's ended job, after checking that the handover succeeded."""
    job = await eventually(
        lambda: next((each for each in worker.histories(interview.room) if each.outcome), None),
        "the end of the job",
    )
    assert_outcome(job, Outcome.HANDED_OVER, Reason.HANDOVER_REQUESTED)
    assert [step.name for step in job.steps if not step.ok] == []
    return job


async def test_on_a_second_sigterm_the_sentence_ends_and_another_worker_continues(
    start_worker: StartWorker, record_property: Record
) -> None:
    first = await start_worker({"INTERVIEW_DRAIN_S": "120"})
    interview = await first.create(LONG)
    async with database_of(first) as url, first.candidate_of(interview) as candidate:
        await first.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        other = await another(start_worker, first, url)
        await say(candidate, ANSWER)
        told_s = await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await terminate_twice(first)
        await goes_on_with(other, interview, candidate, since_s=told_s)
        record_property("waited_s", f"{waited(candidate):.2f}")
        assert waited(candidate) < LONGEST_WAIT_S
        assert await first.exited() == 0
        job = await handed_over(first, interview)
        assert job.exit_code == 0
        speakers = [turn.speaker for turn in job.turns]
        assert speakers == ["interviewer", "candidate", "interviewer"]
        assert job.turns[-1].interrupted
        record_property("said", job.turns[-1].text)
        roles = await roles_of(other, interview)
        assert roles == ["opening", "answer", "repeat", "answer", "closing"]


@pytest.mark.alone
@pytest.mark.rotates
async def test_at_the_drain_deadline_an_unfinished_answer_is_kept_and_asked_again(
    start_worker: StartWorker, record_property: Record
) -> None:
    first = await start_worker({"INTERVIEW_DRAIN_S": "2"})
    interview = await first.create(PLAN)
    async with database_of(first) as url, first.candidate_of(interview) as candidate:
        await first.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        other = await another(start_worker, first, url)
        told_s = candidate.now_s
        first.terminate()
        talking = asyncio.create_task(say(candidate, " ".join([ANSWER] * 4)))
        await eventually(lambda: has_left(candidate), "the first interviewer's leaving")
        await cancel_and_wait(talking)
        await goes_on_with(other, interview, candidate, since_s=told_s)
        record_property("waited_s", f"{waited(candidate):.2f}")
        assert waited(candidate) < LONGEST_WAIT_S
        assert await first.exited() == 0
        job = await handed_over(first, interview)
        kept = [turn for turn in job.turns if turn.speaker == "candidate"]
        assert [turn.interrupted for turn in kept] == [True]


@pytest.mark.alone
@pytest.mark.rotates
async def test_a_job_whose_main_process_is_killed_hands_over_to_another_worker(
    start_worker: StartWorker, record_property: Record
) -> None:
    first = await start_worker({})
    interview = await first.create(PLAN)
    async with database_of(first) as url, first.candidate_of(interview) as candidate:
        await first.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        other = await another(start_worker, first, url)
        assert first.process is not None
        killed_s = candidate.now_s
        first.process.kill()
        await goes_on_with(other, interview, candidate, since_s=killed_s)
        record_property("waited_s", f"{waited(candidate):.2f}")
        assert waited(candidate) < LONGEST_WAIT_S
        await handed_over(first, interview)


@pytest.mark.rotates
async def test_without_another_worker_the_interview_is_closed_with_everything_kept(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker({"INTERVIEW_DRAIN_S": "120"})
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        told_s = candidate.now_s
        await terminate_twice(worker)
        assert await worker.exited() == 0
        said = "the remaining interviews are closed, because no other worker can take them over"
        assert worker.log(event="no_worker_takes_over", message=said)
        assert "cannot go on" in await heard_by(candidate, since_s=told_s)
    (job,) = worker.histories(interview.room)
    assert_outcome(job, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)
    assert [(turn.speaker, turn.interrupted) for turn in job.turns] == [("interviewer", False)]


@pytest.mark.rotates
async def test_without_another_worker_the_interview_continues_if_so_configured(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker({"INTERVIEW_DRAIN_S": "120", "INTERVIEW_NO_SUCCESSOR": "keep"})
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await worker.job(interview.room, until=is_running)
        await terminate_twice(worker)
        await worker.logged(
            "no_worker_takes_over",
            message="the remaining interviews continue on this worker,"
            " because no other worker can take them over",
        )
        await hold_conversation(candidate, SCRIPT)
    assert await worker.exited() == 0
    (job,) = worker.histories(interview.room)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
