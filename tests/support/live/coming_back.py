"""Helpers for interviews that another interviewer resumes after the first one has ended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.support.live.one_question import is_running
from tests.support.live.running_worker import RunningWorker
from tests.support.live.waiting import PATIENCE_S, answered
from worker.interview.application import InterviewApplication
from worker.interview.turn import Role
from worker.simulation.livekit_server import LiveKitServer
from worker.store.interview_turns import turns_of
from worker.store.interviews import get_interview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from states import History
    from worker.simulation.room_candidate import Candidate
    from worker.store.interviews import Interview

COMES_BACK = {"INTERVIEW_REDISPATCH_TRIES": "4"}
#: Longest accepted time, in seconds, without an interviewer. The limit allows for a busy machine;
#: the goal is 3 s.
LONGEST_ALONE_S = 12.0


async def successor(worker: RunningWorker, interview: Interview, *before: History) -> History:
    """Wait until a job other than these is running; return its history."""
    gone = [job.header["job_id"] for job in before]
    return await worker.job(
        interview.room, until=lambda job: is_running(job) and job.header["job_id"] not in gone
    )


def identity_of(job: History) -> str:
    """Return the identity of a job's interviewer in its room."""
    return f"{InterviewApplication.identity_prefix}{job.header['job_id']}"


def has_asked(job: History) -> bool:
    """Return whether a turn of the interviewer was heard to its end, not only to a pause."""
    return any(turn.speaker == "interviewer" and not turn.interrupted for turn in job.turns)


async def roles_of(worker: RunningWorker, interview: Interview) -> list[str]:
    """Return the roles of the turns heard to their ends, in the order of the database.

    What the interviewer says to a silent candidate is left out: while a scenario starts another
    worker, its candidate may be silent for longer than the first level.
    """
    async with worker.database() as database:
        turns = await turns_of(database, interview.interview_id)
    return [
        turn.role or "answer"
        for turn in turns
        if turn.speaker == "candidate" or not (turn.interrupted or turn.role == Role.SIDE)
    ]


async def alone_after(candidate: Candidate, killed_s: float) -> float:
    """Return the seconds until the next interviewer is heard."""
    # Audio in transit at that moment is not from the next interviewer.
    back_s = await candidate.wait_for_sound(since_s=killed_s + 0.3, timeout_s=PATIENCE_S)
    return back_s - killed_s


async def is_over(worker: RunningWorker, interview: Interview) -> tuple[str, str]:
    """Wait for the end of the interview; return its outcome and reason."""

    async with worker.database() as database:

        async def ended() -> bool:
            found = await get_interview(database, interview.interview_id)
            return found is not None and found.status == "ended"

        await answered(ended, "the end of the interview")
    shown = await worker.command_json("interviews", "show", interview.interview_id)
    return shown["outcome"], shown["reason"]


@asynccontextmanager
async def worker_alone(
    livekit_binary: Path, settings: Mapping[str, str]
) -> AsyncIterator[RunningWorker]:
    """Yield a worker on its own LiveKit server; the test may stop or kill the worker."""
    async with LiveKitServer(livekit_binary) as server:
        worker = RunningWorker(server, settings)
        try:
            await worker.start()
            yield worker
        finally:
            await worker.discard()
