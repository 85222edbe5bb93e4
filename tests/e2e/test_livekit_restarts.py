"""A LiveKit server that dies in the middle of an interview and comes back: nothing is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome
from tests.support.live.coming_back import has_asked, worker_alone
from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, times_in, word_error_rate
from tests.support.live.one_question import PLAN, SCRIPT, is_running
from tests.support.live.room_options import options_of
from tests.support.live.running_worker import RunningWorker
from tests.support.live.waiting import PATIENCE_S, answered, eventually
from worker.config.settings import Settings
from worker.continuity.room_options import SPARE_S
from worker.demo.script import CandidateScript
from worker.simulation.conversation import hold_conversation
from worker.simulation.livekit_server import LiveKitServer
from worker.simulation.voice import LocalVoice
from worker.store.interview_turns import turns_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from states import History
    from tests.support.live.scenarios import Record
    from worker.store.interviews import Interview
    from worker.store.turns import Turn

pytestmark = pytest.mark.usefixtures("voices")

QUESTION = PLAN.questions[0].text
#: Seconds until the killed server is started again.
AWAY_S = 2.0
#: Longer than the SDK reconnects on both sides: 18 to 19 s, and more on a busy machine.
AWAY_FOR_GOOD_S = 30.0
#: The default grace of a candidate.
GRACE_S = Settings.model_fields["candidate_grace_s"].default
FIRST_HALF = "I learned to listen before I say anything, and"
SECOND_HALF = "I learned to write a small test before I change a program."


@pytest.fixture
async def worker(livekit_binary: Path) -> AsyncIterator[RunningWorker]:
    """Yield a worker on its own server, which the test may kill."""
    async with worker_alone(livekit_binary, {"INTERVIEW_REDISPATCH_TRIES": "4"}) as worker:
        yield worker


async def restart(server: LiveKitServer, away_s: float = AWAY_S) -> None:
    await server.kill()
    await asyncio.sleep(away_s)
    await server.restart()


async def turns_in(worker: RunningWorker, interview: Interview) -> list[Turn]:
    async with worker.database() as database:
        return await turns_of(database, interview.interview_id)


@pytest.mark.rotates
async def test_a_question_cut_by_a_server_crash_is_heard_completely_after_the_restart(
    worker: RunningWorker, record_property: Record
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        job = await worker.job(interview.room, until=is_running)
        # Within the greeting or the question after it.
        await asyncio.sleep(3.0)
        killed_s = candidate.now_s
        await restart(worker.server)
        # Audio in transit is heard for a moment after the kill.
        back_s = await candidate.wait_for_sound(since_s=killed_s + 1.0, timeout_s=PATIENCE_S)
        record_property("unheard_s", f"{back_s - killed_s:.2f}")
        await hold_conversation(candidate, SCRIPT)
        heard = await heard_by(candidate, since_s=killed_s + 1.0)
    assert "i am back" in heard
    assert times_in(QUESTION, heard) == 1
    ended = await worker.ended_job(interview.room)
    assert ended.header["job_id"] == job.header["job_id"]
    assert_outcome(ended, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    cut_off, again, answer, closing = await turns_in(worker, interview)
    assert cut_off.interrupted
    assert (again.role, again.text) == ("repeat", QUESTION)
    assert answer.speaker == "candidate"
    assert closing.role == "closing"
    # Compare with what the candidate heard before the kill; the end may be lost in transit.
    before = await heard_by(candidate, until_s=killed_s + 0.5)
    assert word_error_rate(cut_off.text, before) <= 0.34


async def test_an_answer_cut_by_a_server_crash_is_kept_and_asked_again(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await worker.job(interview.room, until=is_running)
        speaking = asyncio.create_task(candidate.say(*await LocalVoice().render(FIRST_HALF)))
        await asyncio.sleep(2.0)
        killed_s = candidate.now_s
        await restart(worker.server)
        await speaking
        rest = CandidateScript(PLAN, answers={PLAN.questions[0].id: SECOND_HALF})
        await candidate.wait_for_sound(since_s=killed_s + 1.0, timeout_s=PATIENCE_S)
        await hold_conversation(candidate, rest)
        heard = await heard_by(candidate, since_s=killed_s + 1.0)
    assert times_in(QUESTION, heard) == 1
    assert_outcome(
        await worker.ended_job(interview.room), Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED
    )
    turns = await turns_in(worker, interview)
    answers = [turn for turn in turns if turn.speaker == "candidate"]
    assert word_error_rate(SECOND_HALF, answers[-1].text) <= MOST_WORD_ERRORS
    assert not answers[-1].interrupted
    assert all(turn.interrupted for turn in answers[:-1])


@pytest.mark.rotates
async def test_after_a_long_server_outage_another_interviewer_continues(
    worker: RunningWorker, record_property: Record
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        lost = await worker.job(interview.room, until=is_running)
        await restart(worker.server, AWAY_FOR_GOOD_S)
        await candidate.wait_until_disconnected(timeout_s=PATIENCE_S)
    # The candidate's SDK gave up, so the candidate joins again.
    async with worker.candidate_of(interview) as candidate:
        record_property("alone_s", f"{await candidate.wait_for_sound(timeout_s=PATIENCE_S):.2f}")
        await hold_conversation(candidate, SCRIPT)
        assert "i am back" in await heard_by(candidate)

    def gone() -> list[History] | None:
        jobs = worker.histories(interview.room)
        return jobs if all(job.exited for job in jobs) else None

    jobs = await eventually(gone, "the end of both jobs")
    first, second = sorted(jobs, key=lambda job: job.header["job_id"] != lost.header["job_id"])
    assert_outcome(first, Outcome.FAILED, Reason.ROOM_LOST)
    assert_outcome(second, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    # A dispatch made before the worker registered again is lost and made again (NotTaken).
    assert second.header["follows_why"] == Reason.ROOM_LOST
    turns = await turns_in(worker, interview)
    assert [turn.role or "answer" for turn in turns] == ["opening", "repeat", "answer", "closing"]


@pytest.mark.rotates
async def test_the_room_that_an_interviewer_opens_after_a_restart_waits_as_long_as_before(
    worker: RunningWorker,
) -> None:
    """The candidate is absent while the server restarts; by default the room would close after 20
    s."""
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await worker.job(interview.room, until=has_asked)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
    await restart(worker.server)

    async def is_back() -> bool:
        return bool(await worker.participants(interview.room))

    await answered(is_back, "the interviewer in the room of the new server")
    options = await options_of(worker.server.client, interview.room)
    assert options.departure_timeout_s == GRACE_S + SPARE_S
    async with worker.candidate_of(interview) as candidate:
        await hold_conversation(candidate, SCRIPT)
    assert_outcome(
        await worker.ended_job(interview.room), Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED
    )
