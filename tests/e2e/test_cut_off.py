"""A worker's machine is cut off in the middle of an interview: real processes, real networks.

The worker runs in a network namespace. LiveKit, PostgreSQL and another worker are on the other
side of a switch.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from states.journal import read_records
from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.live.breakable import socket_of
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
from tests.support.live.far_machine import FarMachine
from tests.support.live.heard import (
    MOST_WORD_ERRORS,
    heard_by,
    times_in,
    together_s,
    word_error_rate,
)
from tests.support.live.one_question import ANSWER, PLAN, is_gone, is_running
from tests.support.live.running_worker import RunningWorker, database_elsewhere
from tests.support.live.waiting import PATIENCE_S, answered
from worker.demo.script import CandidateScript
from worker.interview.plan.plan import Question
from worker.simulation.conversation import hold_conversation
from worker.simulation.livekit_server import LiveKitServer
from worker.simulation.voice import LocalVoice
from worker.store.interview_turns import turns_of
from worker.store.jobs import records_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from states import History
    from tests.support.live.scenarios import Record
    from worker.simulation.room_candidate import Candidate
    from worker.store.interviews import Interview
    from worker.store.turns import Turn

# Each needs more than one processor of the two: the tests of this group never run side by side.
#: Alone: an interface that appears or vanishes makes every WebRTC client on the machine look for
#: another path, and candidates of other tests would send no packets for ten seconds.
pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.alone]

FIRST, SECOND = (
    Question(id=each, text=text, follow_ups_allowed=0, thinking_pause_s=1.2)
    for each, text in (
        ("last-week", PLAN.questions[0].text),
        ("next-year", "What would you like to learn at work in the next year?"),
    )
)
#: Two questions: the cut-off interviewer notices the loss before it could say goodbye.
TWO = replace(PLAN, questions=(FIRST, SECOND))
FIRST_HALF = "I learned to listen before I say anything,"
SECOND_HALF = "and to write a small test before I change a program."
#: Seconds until the cable is plugged in again; the SDK is still trying to reconnect.
AWAY_S = 15.0
#: Seconds for audio that already arrived to fade out.
DECAY_S = 0.5
#: How the job of a replaced interviewer ends: by its lost lease, or removed by the server.
MUTE = (
    (Outcome.SUPERSEDED, Reason.LEASE_LOST),
    (Outcome.CANCELLED, Reason.ROOM_DELETED),
)
#: Seconds in which two interviewers may be heard at once.
TOGETHER_S = 1.0


class FarLine(TcpProxy):
    """Proxy to the database, on an address that the far machine reaches."""

    def __init__(self, host: str, target: Path) -> None:
        self.host = host
        super().__init__(target)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Two workers, one of them on the far machine, and the network between them.

    Each worker takes dispatches for its own agent name, so that a test knows which worker gets one:
    the server notices late that the far worker is gone, and would offer it the job again.
    """

    machine: FarMachine
    #: Proxy to the database, used by the far worker only.
    line: FarLine
    far: RunningWorker
    near: RunningWorker


@pytest.fixture
async def parts(livekit_binary: Path) -> AsyncIterator[Parts]:
    """Start all parts."""
    async with AsyncExitStack() as stack:
        machine = stack.enter_context(FarMachine())
        server = await stack.enter_async_context(
            LiveKitServer(livekit_binary, extra_config=machine.livekit_config)
        )
        url = await stack.enter_async_context(database_elsewhere())
        line = await stack.enter_async_context(FarLine(machine.here, socket_of(url)))
        # The two machines reach the same server at different addresses.
        shared = {**COMES_BACK, "INTERVIEW_LIVEKIT_NAME": "one-server"}
        near = RunningWorker(server, {**shared, "DATABASE_URL": url})
        from_afar = {
            "DATABASE_URL": (
                f"postgresql://postgres@{line.host}:{line.port}/postgres?sslmode=disable"
            ),
            "LIVEKIT_URL": f"ws://{machine.here}:{server.ports.signal}",
        }
        from_afar["INTERVIEW_AGENT_NAME"] = near.agent_name
        # LiveKit does not notice for 15 s that the machine is cut off. It asks no full worker.
        from_afar["INTERVIEW_SLOTS"] = "1"
        far = RunningWorker(server, {**shared, **from_afar}, inside=machine.inside)
        far.agent_name = near.agent_name
        for worker in (far, near):
            stack.push_async_callback(worker.discard)
        await far.start()
        await far.logged(message="process initialized")
        # A worker that stops contacts LiveKit and the database again: plug the cable in first.
        stack.callback(machine.plug)
        yield Parts(machine=machine, line=line, far=far, near=near)


@asynccontextmanager
async def interview_from_afar(
    parts: Parts, interview: Interview
) -> AsyncIterator[tuple[Candidate, History]]:
    """Yield the candidate, with the far worker's interviewer talking to it, and the far job.

    The near worker is started only then, because LiveKit could give it the first job.
    """
    async with parts.near.candidate_of(interview) as candidate:
        await parts.far.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        job = await parts.far.job(interview.room, until=is_running)
        await parts.near.start()
        await parts.near.logged(message="process initialized")
        yield candidate, job


async def turns_in(worker: RunningWorker, interview: Interview) -> list[Turn]:
    async with worker.database() as database:
        return await turns_of(database, interview.interview_id)


async def words_stored(worker: RunningWorker, job: History) -> str:
    """Return the text that the database has of the answer in progress."""
    async with worker.database() as database:
        records = await records_of(database, job.header["job_id"])
    return " ".join(each["final"] for each in records if each["kind"] == "hearing").strip()


async def shipped(parts: Parts, interview: Interview) -> History:
    """Return the far worker's job after it ended and the database holds all its records."""
    ended = await parts.far.ended_job(interview.room)
    job_id = ended.header["job_id"]
    written = read_records(parts.far.data_dir / "journals/shipped" / f"{job_id}.jsonl").records
    async with parts.near.database() as database:
        assert await records_of(database, job_id) == written
    assert is_gone(ended)
    return ended


async def assert_completed(parts: Parts, interview: Interview) -> None:
    end = await is_over(parts.near, interview)
    assert end == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)


def sound_of(candidate: Candidate, job: History, *, since_s: float) -> float:
    """Return the seconds in which this job's interviewer was audible since `since_s`."""
    meter = candidate.meters[identity_of(job)]
    return meter.audible_seconds(since_s)


async def test_a_partial_answer_survives_its_machine_and_is_joined_with_the_rest(
    parts: Parts, record_property: Record
) -> None:
    # Long enough to be cut off in the middle of the answer.
    plan = replace(TWO, questions=(replace(FIRST, thinking_pause_s=5.0), SECOND))
    interview = await parts.near.create(plan)
    async with interview_from_afar(parts, interview) as (candidate, first):
        await parts.far.job(interview.room, until=has_asked)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await candidate.say(*await LocalVoice().render(FIRST_HALF))
        stored = await answered(
            lambda: words_stored(parts.near, first), "words of the answer in the database"
        )
        cut_s = candidate.now_s
        parts.machine.pull()
        alone_s = await alone_after(candidate, cut_s)
        record_property("alone_s", f"{alone_s:.2f}")
        assert alone_s < LONGEST_ALONE_S
        second = await successor(parts.near, interview)
        assert second.header["follows_job"] == first.header["job_id"]
        assert second.header["follows_why"] == "LeaseExpired"
        script = CandidateScript(plan, answers={FIRST.id: SECOND_HALF, SECOND.id: ANSWER})
        await hold_conversation(candidate, script, interviewer=identity_of(second))
        heard = await heard_by(candidate, since_s=cut_s)
        assert "i am back" in heard
        assert [times_in(each.text, heard) for each in plan.questions] == [1, 1]
        assert together_s(candidate) <= TOGETHER_S
    await assert_completed(parts, interview)
    roles = await roles_of(parts.near, interview)
    assert roles == ["opening", "answer", "repeat", "answer", "question", "answer", "closing"]
    turns = await turns_in(parts.near, interview)
    half, rest, _ = (turn for turn in turns if turn.speaker == "candidate")
    assert (half.job_id, half.question_id) == (first.header["job_id"], FIRST.id)
    assert half.interrupted
    assert half.text.startswith(stored)
    assert not rest.interrupted
    said = f"{half.text} {rest.text}"
    assert word_error_rate(f"{FIRST_HALF} {SECOND_HALF}", said) <= MOST_WORD_ERRORS
    # No signal reaches the cut-off job; it ends because its room is lost.
    ended = await parts.far.job(interview.room, until=lambda job: job.exited)
    record_property("ended", f"{ended.outcome}/{ended.reason}")
    assert (ended.outcome, ended.reason) == (Outcome.FAILED, Reason.ROOM_LOST)
    assert sound_of(candidate, first, since_s=cut_s + DECAY_S) == 0


@pytest.mark.rotates
async def test_a_reconnected_machine_stays_silent_and_ships_its_journal(
    parts: Parts, record_property: Record
) -> None:
    interview = await parts.near.create(TWO)
    script = CandidateScript(TWO, answers={FIRST.id: ANSWER, SECOND.id: ANSWER})
    async with interview_from_afar(parts, interview) as (candidate, first):
        await parts.far.job(interview.room, until=has_asked)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await candidate.say(*await LocalVoice().render(ANSWER))
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await asyncio.sleep(1.0)  # in the middle of the second question
        cut_s = candidate.now_s
        parts.machine.pull()
        alone_s = await alone_after(candidate, cut_s)
        record_property("alone_s", f"{alone_s:.2f}")
        assert alone_s < LONGEST_ALONE_S
        await asyncio.sleep(cut_s + AWAY_S - candidate.now_s)
        parts.machine.plug()
        await hold_conversation(candidate, script)
        heard = await heard_by(candidate, since_s=cut_s + DECAY_S)
        assert "i am back" in heard
        assert together_s(candidate) <= TOGETHER_S
        assert sound_of(candidate, first, since_s=cut_s + DECAY_S) == 0
    await assert_completed(parts, interview)
    ended = await shipped(parts, interview)
    record_property("ended", f"{ended.outcome}/{ended.reason}")
    assert (ended.outcome, ended.reason) in MUTE
    turns = await turns_in(parts.near, interview)
    afar = [turn for turn in turns if turn.job_id == ended.header["job_id"]]
    assert [turn.text for turn in afar] == [turn.text for turn in ended.turns]
    # The database had no record of the question being asked, so the successor asks it again.
    assert [turn.late for turn in afar[:2]] == [False, False]
    assert all(turn.late for turn in afar[2:])
    near = [turn.role or "answer" for turn in turns if turn not in afar]
    assert near == ["question", "answer", "closing"]
    # The far worker has recovered and serves another interview.
    await parts.near.stop()
    another = await parts.far.create(TWO)
    async with parts.far.candidate_of(another) as candidate:
        await parts.far.send_interviewer(another)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await parts.far.delete_room(another.room)


@pytest.mark.rotates
async def test_a_worker_cut_off_from_the_database_continues_and_yields_to_a_successor(
    parts: Parts, record_property: Record
) -> None:
    interview = await parts.near.create(TWO)
    script = CandidateScript(TWO, answers={FIRST.id: ANSWER, SECOND.id: ANSWER})
    async with interview_from_afar(parts, interview) as (candidate, _):
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        lost_s = candidate.now_s
        parts.line.refuse()
        parts.line.cut()
        record_property("alone_s", f"{await alone_after(candidate, lost_s):.2f}")
        second = await successor(parts.near, interview)
        assert second.header["follows_why"] == "LeaseExpired"
        await hold_conversation(candidate, script)
        assert together_s(candidate) <= TOGETHER_S
    await assert_completed(parts, interview)
    ended = await parts.far.job(interview.room, until=lambda job: job.exited)
    record_property("ended", f"{ended.outcome}/{ended.reason}")
    assert (ended.outcome, ended.reason) in MUTE
    await parts.line.heal()
    await shipped(parts, interview)
    roles = await roles_of(parts.near, interview)
    assert roles == ["opening", "repeat", "answer", "question", "answer", "closing"]
