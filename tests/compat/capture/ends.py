"""Jobs that end in every way, one worker for each set of settings."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Final

from tests.compat.capture.talks import PLAN, speak, write_answers
from tests.compat.capture.world import Worker, World
from worker.continuity.dispatch_metadata import without_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds for candidates who do not come, have left, or are silent.
SHORT: Final = {
    "INTERVIEW_CANDIDATE_JOIN_S": "5",
    "INTERVIEW_CANDIDATE_GRACE_S": "3",
    "INTERVIEW_CANDIDATE_SILENCE_S": "20",
}
_FAULTS: Final = "INTERVIEW_FAULTS"
#: One worker each: its settings, and whether its jobs come as far as waiting for a candidate.
_FAILURES: Final[tuple[Mapping[str, str], ...]] = (
    {_FAULTS: "connect=raise"},
    {_FAULTS: "connect=hang", "INTERVIEW_BUDGET_HANDSHAKE_S": "1"},
    {_FAULTS: "load.orchestrator=raise"},
    {_FAULTS: "load.orchestrator=hang", "INTERVIEW_BUDGET_BOOTSTRAPPING_S": "2"},
    {_FAULTS: "start_session=raise"},
    {_FAULTS: "start_session=hang", "INTERVIEW_BUDGET_READY_S": "1"},
    {"INTERVIEW_BUDGET_RUNNING_S": "6"},
    {"INTERVIEW_APPLICATION": "applications:Done"},
    {"INTERVIEW_APPLICATION": "applications:Broken"},
    {
        _FAULTS: "tts.local=hang; write=raise",
        "INTERVIEW_PREPARED_SPEECH": "0",
        "INTERVIEW_LADDER_S": "1,2,3,4,5,6,7",
    },
)


async def usual_ends(world: World) -> None:
    """A worker without faults: interviews that are completed, abandoned, refused, cut short."""
    async with Worker(world, SHORT):
        await _spoken(world)
        await asyncio.gather(_never_joined(world), _unreadable(world), _unknown(world))
        await asyncio.gather(_left(world), _silent_and_dispatched_twice(world))
        await asyncio.gather(_room_deleted(world), _killed(world))


async def failures(world: World) -> None:
    """Workers with a fault, a short budget, or an application of their own."""
    for settings in _FAILURES:
        async with Worker(world, {"INTERVIEW_ALLOW_FAULTS": "1", **settings}):
            interview = await world.create(PLAN)
            async with world.candidate(interview.room, interview.candidate_identity):
                await world.send(interview)
                await world.over(interview.room)


async def degraded_and_shut_down(world: World) -> None:
    """A worker whose jobs have no VAD: one is completed, and one is running when it stops."""
    faults = {"INTERVIEW_ALLOW_FAULTS": "1", _FAULTS: "load.vad=raise"}
    async with Worker(world, faults):
        interview = await world.create(PLAN)
        async with world.candidate(interview.room, interview.candidate_identity) as candidate:
            await world.send(interview)
            await write_answers(world, interview.room, candidate)
        await world.over(interview.room)
        interview = await world.create(PLAN)
        await world.send(interview)
        await world.job(interview.room)


async def room_lost(world: World) -> None:
    """The LiveKit server is gone for good, under an interview."""
    async with Worker(world, {}) as worker:
        interview = await world.create(PLAN)
        await world.send(interview)
        await world.job(interview.room)
        await world.server.kill()
        await world.over(interview.room)
        await worker.killed()
    await world.server.restart()


async def _spoken(world: World) -> None:
    """Completed, every answer spoken; another interviewer who comes later leaves again."""
    interview = await world.create(PLAN)
    async with world.candidate(interview.room, interview.candidate_identity) as candidate:
        await world.send(interview)
        await speak(candidate)
    await world.over(interview.room)
    await world.send(interview)
    await world.over(interview.room, jobs=2)


async def _never_joined(world: World) -> None:
    interview = await world.create(PLAN)
    await world.send(interview)
    await world.over(interview.room)


async def _unreadable(world: World) -> None:
    room = "room-without-metadata"
    async with world.candidate(room, "candidate"):
        await world.dispatch(room, "this is no JSON")
        await world.over(room)


async def _unknown(world: World) -> None:
    room = "room-of-an-unknown-interview"
    async with world.candidate(room, "candidate"):
        await world.dispatch(room, '{"interview_id": "unknown"}')
        await world.over(room)


async def _left(world: World) -> None:
    interview = await world.create(PLAN)
    async with world.candidate(interview.room, interview.candidate_identity):
        await world.dispatch(interview.room, without_plan(interview))
        await world.asked(interview.room, "last-week")
        await world.note_metadata(interview.room, "minimal", follows=False)
    await world.over(interview.room)


async def _silent_and_dispatched_twice(world: World) -> None:
    """A second interviewer is superseded; the first one ends, since the candidate is silent."""
    interview = await world.create(PLAN)
    async with world.candidate(interview.room, interview.candidate_identity):
        await world.send(interview)
        await world.job(interview.room)
        await world.send(interview)
        await world.over(interview.room, jobs=2)


async def _room_deleted(world: World) -> None:
    interview = await world.create(PLAN)
    async with world.candidate(interview.room, interview.candidate_identity):
        await world.send(interview)
        await world.asked(interview.room, "last-week")
        await world.server.client.delete_room(interview.room)
        await world.over(interview.room)


async def _killed(world: World) -> None:
    interview = await world.create(PLAN)
    async with world.candidate(interview.room, interview.candidate_identity):
        await world.send(interview)
        job = await world.asked(interview.room, "last-week")
        os.kill(int(job.header["pid"]), signal.SIGKILL)
        await world.over(interview.room)
