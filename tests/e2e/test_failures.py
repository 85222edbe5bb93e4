"""Failures on a real server: what the candidate, the records and the operator get."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from states import History, MemoryJournal, Outcome, Reason, State, Status
from states.testing import assert_condition, assert_outcome, assert_path
from tests.support.live.coming_back import has_asked, identity_of, is_over, successor
from tests.support.live.heard import heard_by
from tests.support.live.one_question import (
    ALL_THE_WAY,
    ANSWER,
    NEVER_STARTED,
    PLAN,
    SCRIPT,
    is_gone,
    is_running,
    new_room,
)
from tests.support.live.running_worker import RunningWorker, StartWorker
from tests.support.live.waiting import PATIENCE_S, answered, eventually
from worker.simulation.conversation import hold_conversation
from worker.simulation.voice import LocalVoice
from worker.store.interviews import get_interview
from worker.store.jobs import JobHeader, ship

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.simulation.room_candidate import Candidate
    from worker.store.interviews import Interview

pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.xdist_group("impatient_worker")]


@pytest.fixture
def worker(impatient_worker: RunningWorker) -> RunningWorker:
    return impatient_worker


def says_goodbye(said: str) -> bool:
    """Return whether the text has a goodbye in any STT spelling: goodbye, good-bye, good bye."""
    return "goodbye" in said.replace(" ", "").replace("-", "")


async def hear_out(candidate: Candidate) -> str:
    """Listen until the interviewer has come and gone, and return what the interviewer said."""
    await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
    await candidate.wait_until_alone(timeout_s=PATIENCE_S)
    await eventually(
        lambda: candidate.presence and candidate.presence[-1].event == "left",
        "the interviewer's leaving the room",
    )
    return await heard_by(candidate)


async def answer(candidate: Candidate, text: str = ANSWER) -> None:
    await candidate.say(*await LocalVoice().render(text))


# --- dispatches that cannot be served -------------------------------------------------------------


@pytest.mark.row("S8", "B8")
@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ('{"interview_id": "no-such-interview"}', Reason.INTERVIEW_UNKNOWN),
        ("this is no JSON", Reason.METADATA_INVALID),
        ('{"plan": {}}', Reason.METADATA_INVALID),
    ],
    ids=["unknown interview", "no JSON", "no interview named"],
)
async def test_a_dispatch_that_names_no_interview_ends_with_an_apology(
    worker: RunningWorker, metadata: str, reason: Reason
) -> None:
    room = new_room()
    async with worker.candidate(room) as candidate:
        await worker.dispatch(room, metadata)
        said = await hear_out(candidate)
        job = await worker.ended_job(room)
        assert await worker.participants(room) == ["candidate"]
    assert_path(job, *NEVER_STARTED)
    assert_outcome(job, Outcome.FAILED, reason)
    assert_condition(job, "orchestrator", Status.LOST, reason)
    assert "sorry" in said
    assert job.exit_code == 1
    assert is_gone(job)
    line = await worker.logged("job_process_ended", job_id=job.header["job_id"])
    assert (line["exit_code"], line["signal"], line["level"]) == (1, None, "error")


async def test_a_dispatch_into_another_room_leaves_the_interview_as_it_is(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    room = new_room()
    async with worker.candidate(room) as candidate:
        await worker.dispatch(room, json.dumps({"interview_id": interview.interview_id}))
        said = await hear_out(candidate)
        job = await worker.ended_job(room)
    assert_path(job, *NEVER_STARTED)
    assert_outcome(job, Outcome.FAILED, Reason.METADATA_INVALID)
    assert "sorry" in said
    assert job.turns == ()
    async with worker.database() as database:
        assert await get_interview(database, interview.interview_id) == interview


async def test_a_finished_interview_keeps_its_outcome(worker: RunningWorker) -> None:
    interview = await worker.create(PLAN)
    before = MemoryJournal()
    closed = {"from": "CLOSING", "event": "closed", "to": "CLOSED"}
    end = {"outcome": Outcome.COMPLETED, "reason": Reason.TIME_LIMIT_REACHED}
    before.append("transition", 0.0, **closed, **end)
    header = JobHeader(job_id=f"AJ_{uuid4().hex}", interview_id=interview.interview_id)
    async with worker.database() as database:
        await ship(database, header, before.records)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        said = await hear_out(candidate)
        job = await worker.ended_job(interview.room)
    assert_path(job, *NEVER_STARTED)
    assert_outcome(job, Outcome.CANCELLED, Reason.INTERVIEW_ALREADY_OVER)
    assert job.exit_code == 0
    assert "already over" in said
    async with worker.database() as database:
        kept = await get_interview(database, interview.interview_id)
    assert kept is not None
    assert (kept.status, kept.outcome, kept.reason) == ("ended", "completed", "TimeLimitReached")


# --- killed and signalled processes ---------------------------------------------------------------


@pytest.mark.parametrize("when", [bool, is_running], ids=["as it starts", "as it runs"])
async def test_a_killed_job_is_recorded_and_the_worker_serves_the_next(
    worker: RunningWorker, when: Callable[[History], bool]
) -> None:
    killed = await worker.create(PLAN)
    await worker.send_interviewer(killed)
    os.kill((await worker.job(killed.room, until=when)).header["pid"], signal.SIGKILL)
    job = await worker.ended_job(killed.room)
    assert job.signal == signal.SIGKILL
    assert State.CLOSED not in job.path
    assert is_gone(job)
    shown = await worker.command_json("jobs", "show", job.header["job_id"])
    assert shown["signal"] == signal.SIGKILL
    # The journal and the database record the same end.
    assert_outcome(job, Outcome.FAILED, Reason.PROCESS_KILLED)
    (listed,) = await worker.command_json("jobs", "list", "--interview", killed.interview_id)
    interview = await worker.command_json("interviews", "show", killed.interview_id)
    for told in (shown, listed, interview):
        assert (told["outcome"], told["reason"]) == ("failed", "ProcessKilled")
    line = await worker.logged("job_process_ended", job_id=job.header["job_id"])
    assert (line["signal"], line["level"]) == (signal.SIGKILL, "error")

    following = await worker.create(PLAN)
    async with worker.candidate_of(following) as candidate:
        await worker.send_interviewer(following)
        await hold_conversation(candidate, SCRIPT)
    assert_outcome(
        await worker.ended_job(following.room), Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED
    )


async def test_a_job_ignores_sigterm_sigint_and_sighup(worker: RunningWorker) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        job = await worker.job(interview.room, until=is_running)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(job.header["pid"], number)
        await hold_conversation(candidate, SCRIPT)
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert (job.exit_code, job.signal) == (0, None)


@pytest.mark.row("B9")
async def test_a_worker_that_shuts_down_apologises_and_leaves_nothing(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker({"INTERVIEW_DRAIN_S": "0"})
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        told_s = candidate.now_s
        stopping = asyncio.create_task(worker.stop())
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
        assert "sorry" in await heard_by(candidate, since_s=told_s)
        assert await stopping == 0
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)
    assert job.exit_code == 0
    await worker.nothing_left()


@pytest.mark.rotates
async def test_a_cancelled_interview_ends_with_a_goodbye_and_for_good(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        told_s = candidate.now_s
        await worker.command_json("interviews", "cancel", interview.interview_id)
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
        assert says_goodbye(await heard_by(candidate, since_s=told_s))
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.CANCELLED, Reason.CANCEL_REQUESTED)
    shown = await worker.command_json("interviews", "show", interview.interview_id)
    end = shown["status"], shown["outcome"], shown["reason"]
    assert end == ("ended", "cancelled", "CancelRequested")
    assert shown["jobs"] == [job.header["job_id"]]


# --- optional resources ---------------------------------------------------------------------------

#: Shadows the real plugin and fails like a broken installation.
BROKEN_SILERO = """
class VAD:
    @classmethod
    def load(cls):
        raise RuntimeError("the model's file is damaged")
"""


@pytest.mark.row("C3", "S1", "S6", "S8", "B1")
async def test_without_a_vad_the_interview_is_held_degraded(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    plugin = tmp_path / "livekit" / "plugins" / "silero"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(BROKEN_SILERO)
    worker = await start_worker({"PYTHONPATH": str(tmp_path)})
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        exchanges = await hold_conversation(candidate, SCRIPT)
    job = await worker.ended_job(interview.room)
    assert_path(job, *(state.replace("READY", "DEGRADED") for state in ALL_THE_WAY))
    assert_condition(job, "vad", Status.LOST, "VADLoadFailed")
    line = await worker.logged("vad_load_failed")
    assert (line["level"], line["error"]) == ("warning", "RuntimeError")
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert [exchange.answered for exchange in exchanges] == [ANSWER, ""]
    assert [turn.speaker for turn in job.turns] == ["interviewer", "candidate", "interviewer"]


# --- candidates -----------------------------------------------------------------------------------


async def assert_waits(worker: RunningWorker, interview: Interview, reason: str) -> None:
    """Wait until the interview waits for its candidate, within its window, for the reason."""
    async with worker.database() as database:

        async def waits() -> bool:
            found = await get_interview(database, interview.interview_id)
            return found is not None and found.status == "waiting"

        await answered(waits, "an interview that waits for its candidate")
        kept = await get_interview(database, interview.interview_id)
    assert kept is not None
    assert (kept.outcome, kept.reason) == (None, reason)


async def test_a_candidate_who_never_joins_is_not_waited_for_forever(worker: RunningWorker) -> None:
    interview = await worker.create(PLAN)
    await worker.send_interviewer(interview)
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.ABANDONED, Reason.CANDIDATE_NEVER_JOINED)
    assert job.exit_code == 0
    assert job.turns == ()
    await assert_waits(worker, interview, Reason.CANDIDATE_NEVER_JOINED)


async def test_a_candidate_who_leaves_is_waited_for_no_longer_than_the_grace(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.ABANDONED, Reason.CANDIDATE_LEFT)
    assert job.exit_code == 0
    assert await worker.participants(interview.room) == []
    await assert_waits(worker, interview, Reason.CANDIDATE_LEFT)


async def test_a_returning_candidate_continues_the_interview(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
    async with worker.candidate_of(interview) as candidate:
        await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
        await candidate.wait_until_heard(timeout_s=PATIENCE_S)
        # The question is asked again, as this client has not heard it.
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await answer(candidate)
        said = await hear_out(candidate)
    job = await worker.ended_job(interview.room)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert says_goodbye(said)
    assert len(worker.histories(interview.room)) == 1


async def test_a_silent_candidate_is_asked_again_and_then_the_job_ends(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        said = await hear_out(candidate)
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert (job.outcome, job.reason) == (Outcome.MISSED, "CandidateMissed")
    assert job.exit_code == 0
    assert "take your time" in said
    assert says_goodbye(said)
    await assert_waits(worker, interview, "CandidateMissed")


async def test_a_candidate_may_interrupt_and_is_heard(worker: RunningWorker) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await eventually(
            lambda: candidate.meter.audible_seconds() > 1.0, "a second of the greeting"
        )
        await answer(candidate, "Sorry, can I ask you something before we begin?")
        await hold_conversation(candidate, SCRIPT)
    job = await worker.ended_job(interview.room)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    greeting = next(turn for turn in job.turns if turn.speaker == "interviewer")
    assert greeting.interrupted
    assert len(greeting.heard) < len(greeting.generated)
    said = next(turn.text for turn in job.turns if turn.speaker == "candidate")
    assert "something" in said.lower()


async def test_a_deleted_room_ends_the_job_without_failure(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await worker.delete_room(interview.room)
        job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.CANCELLED, Reason.ROOM_DELETED)
    assert job.exit_code == 0


async def test_a_room_that_livekit_closes_is_not_the_end_while_the_candidate_may_come_back(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    # A time-out that is shorter than the grace, as after a restart of a server with its own values.
    await worker.delete_room(interview.room)
    await worker.server.client.create_room(interview.room, departure_timeout_s=3)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await worker.job(interview.room, until=has_asked)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
    closed = await worker.ended_job(interview.room)
    assert_path(closed, *ALL_THE_WAY)
    assert_outcome(closed, Outcome.ABANDONED, Reason.ROOM_CLOSED)
    assert closed.exit_code == 0
    await assert_waits(worker, interview, Reason.ROOM_CLOSED)
    async with worker.candidate_of(interview) as candidate:
        second = await successor(worker, interview, closed)
        assert second.header["follows_job"] == closed.header["job_id"]
        assert second.header["follows_why"] == "CandidateCame"
        await hold_conversation(candidate, SCRIPT, interviewer=identity_of(second))
    assert await is_over(worker, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)


# --- more interviews than slots -------------------------------------------------------------------


async def test_a_worker_takes_as_many_interviews_as_it_has_slots(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker({"INTERVIEW_SLOTS": "2"})
    interviews = [await worker.create(PLAN) for _ in range(5)]
    await asyncio.gather(*(worker.send_interviewer(each) for each in interviews))

    def served() -> list[str]:
        rooms = [each.room for each in interviews]
        return [room for room in rooms if any(map(is_running, worker.histories(room)))]

    def turned_down() -> set[str]:
        lines = worker.log(event="job_refused")
        return {line["job_id"] for line in lines if line["message"].endswith("no slot is free")}

    await eventually(lambda: len(served()) == 2 and len(turned_down()) == 3, "an answer to each")
    assert sum(len(worker.histories(each.room)) for each in interviews) == 2
    await worker.delete_room(served()[0])
    await worker.ended_job(served()[0])
    last = await worker.create(PLAN)
    await worker.send_interviewer(last)
    await worker.job(last.room, until=is_running)
