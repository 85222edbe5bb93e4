"""A worker's machine is cut off in the middle of an interview: on real processes and real networks.

The worker runs in a network namespace. LiveKit and PostgreSQL are on the other side of a switch,
and so is another worker.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from breakable import socket_of
from coming_back import COMES_BACK, LONGEST_ALONE_S, alone_after, is_over, roles_of, successor
from far_machine import FarMachine
from heard import MOST_WORD_ERRORS, heard_by, times_in, together_s, word_error_rate
from one_question import PLAN, SCRIPT, is_gone, is_running
from running_worker import PATIENCE_S, RunningWorker, eventually
from stand_ins.tcp_proxy import TcpProxy

from states import Outcome, Reason, State
from worker.demo.conversation import hold_conversation
from worker.demo.livekit_server import LiveKitServer
from worker.demo.script import CandidateScript
from worker.demo.voice import LocalVoice
from worker.speech import local_models
from worker.store.embedded import EmbeddedPostgres
from worker.store.interviews import turns_of
from worker.store.jobs import records_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scenarios import Record

    from states import History
    from worker.demo.candidate import Candidate
    from worker.store.interviews import Interview
    from worker.store.turns import Turn

pytestmark = [pytest.mark.real_server, pytest.mark.e2e, pytest.mark.timeout(300)]

QUESTION = PLAN.questions[0]
FIRST_HALF = "I learned to listen before I say anything,"
SECOND_HALF = "and to write a small test before I change a program."
#: Seconds until the cable is put in again: the SDK is still trying to reach the room.
AWAY_S = 15.0
#: Seconds in which two interviewers may be heard at once.
TOGETHER_S = 1.0


@pytest.fixture(autouse=True, scope="module")
def voices() -> None:
    """Loading a model holds up the candidate's own voice."""
    local_models.preload(stt=True, tts=True)


class FarLine(TcpProxy):
    """The line to the database at an address that the far machine reaches."""

    def __init__(self, host: str, target: Path) -> None:
        self.host = host
        super().__init__(target)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Two workers, one of them far away, and what lies between them.

    Each takes dispatches for a name of its own, so that it is known whom one reaches: the server
    learns late that the far one is gone, and would try it again.
    """

    machine: FarMachine
    #: To the database, for the far worker alone.
    line: FarLine
    far: RunningWorker
    near: RunningWorker


@pytest.fixture
async def parts(livekit_binary: Path) -> AsyncIterator[Parts]:
    """All of it, running."""
    async with AsyncExitStack() as stack:
        machine = stack.enter_context(FarMachine())
        folder = Path(tempfile.mkdtemp(prefix="interview-cut-off-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = await stack.enter_async_context(
            LiveKitServer(livekit_binary, extra_config=machine.livekit_config)
        )
        postgres = await stack.enter_async_context(await EmbeddedPostgres.start(folder))
        line = await stack.enter_async_context(FarLine(machine.here, socket_of(postgres.url)))
        near = RunningWorker(server, {**COMES_BACK, "DATABASE_URL": postgres.url})
        from_afar = {
            "DATABASE_URL": f"postgresql://postgres@{line.host}:{line.port}/postgres",
            "LIVEKIT_URL": f"ws://{machine.here}:{server.ports.signal}",
        }
        far = RunningWorker(server, {**COMES_BACK, **from_afar}, inside=machine.inside)
        for worker in (far, near):
            stack.push_async_callback(worker.discard)
        for worker in (far, near):
            await worker.start()
            await worker.logged("process initialized")
        # A worker that ends asks for both once more.
        stack.callback(machine.plug)
        yield Parts(machine=machine, line=line, far=far, near=near)


@asynccontextmanager
async def interview_from_afar(
    parts: Parts, interview: Interview
) -> AsyncIterator[tuple[Candidate, History]]:
    """The candidate, to whom the far worker's interviewer is talking, and its job."""
    async with parts.near.candidate_of(interview) as candidate:
        await parts.far.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        yield candidate, await parts.far.job(interview.room, until=is_running)


async def turns_in(worker: RunningWorker, interview: Interview) -> list[Turn]:
    async with worker.database() as database:
        return await turns_of(database, interview.interview_id)


async def words_stored(worker: RunningWorker, job: History) -> str:
    """What the database has of the answer that is being given."""
    async with worker.database() as database:
        records = await records_of(database, job.header["job_id"])
    return " ".join(each["final"] for each in records if each["kind"] == "hearing").strip()


async def shipped(parts: Parts, interview: Interview) -> History:
    """The far worker's job once it is over, and all that it has written is in the database."""
    ended = await parts.far.ended_job(interview.room)
    async with parts.near.database() as database:
        stored = await records_of(database, ended.header["job_id"])
    assert len(stored) == len(ended.records)
    assert is_gone(ended)
    return ended


async def test_half_an_answer_outlives_its_interviewers_machine_and_is_joined_by_the_rest(
    parts: Parts, record_property: Record
) -> None:
    # Time enough to be cut off in the middle of the answer.
    question = replace(QUESTION, thinking_pause_s=5.0)
    interview = await parts.near.create(replace(PLAN, questions=(question,)))
    async with interview_from_afar(parts, interview) as (candidate, first):
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await candidate.say(*await LocalVoice().render(FIRST_HALF))
        while not (stored := await words_stored(parts.near, first)):
            pass
        cut_s = candidate.now_s
        parts.machine.pull()
        alone_s = await alone_after(candidate, cut_s)
        record_property("alone_s", f"{alone_s:.2f}")
        assert alone_s < LONGEST_ALONE_S
        second = await successor(parts.near, interview)
        assert second.header["follows_job"] == first.header["job_id"]
        assert second.header["follows_why"] == "LeaseExpired"
        await hold_conversation(candidate, CandidateScript(PLAN, answers={question.id: SECOND_HALF}))
        heard = await heard_by(candidate, since_s=cut_s)
        assert "i am back" in heard
        assert times_in(question.text, heard) == 1
        assert together_s(candidate) <= TOGETHER_S
    assert await is_over(parts.near, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    roles = await roles_of(parts.near, interview)
    assert roles == ["opening", "answer", "repeat", "answer", "closing"]
    turns = await turns_in(parts.near, interview)
    half, rest = (turn for turn in turns if turn.speaker == "candidate")
    assert (half.job_id, half.question_id) == (first.header["job_id"], question.id)
    assert half.interrupted
    assert half.text.startswith(stored)
    assert not rest.interrupted
    said = f"{half.text} {rest.text}"
    assert word_error_rate(f"{FIRST_HALF} {SECOND_HALF}", said) <= MOST_WORD_ERRORS
    # The one that was cut off ends by itself, and nobody tells it.
    ended = await parts.far.job(interview.room, until=lambda job: job.exited)
    record_property("ended", f"{ended.outcome}/{ended.reason}")
    record_property("ended_after_s", f"{candidate.now_s - cut_s:.1f}")
    assert (ended.outcome, ended.reason) == (Outcome.FAILED, Reason.ROOM_LOST)
    assert len(ended.turns) == len(first.turns)
