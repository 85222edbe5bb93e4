"""Interviews that another interviewer takes up: after a kill, a hand-over, and with late turns."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from typing import TYPE_CHECKING

from tests.compat.capture.talks import PLAN, begin_answer, write_answers
from tests.compat.capture.world import Worker, World
from worker.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states import History

_COMES_BACK = {"INTERVIEW_REDISPATCH_TRIES": "4"}
#: A data folder of its own, as a worker on another machine has.
_ELSEWHERE = "elsewhere"


def on_another_machine(world: World, data_dir: str) -> Mapping[str, str]:
    """Settings of a worker with another data folder and the same database."""
    return {"DATABASE_URL": world.database_url, "INTERVIEW_DATA_DIR": data_dir}


async def killed_in_an_answer(world: World) -> None:
    """The next interviewer brings the turns along, and asks for the rest of half an answer."""
    async with Worker(world, _COMES_BACK):
        interview = await world.create(PLAN)
        async with world.candidate(interview.room, interview.candidate_identity) as candidate:
            await world.send(interview)
            first = await world.asked(interview.room, "last-week")
            talking = asyncio.create_task(begin_answer(candidate))
            await world.hears(first)
            os.kill(int(first.header["pid"]), signal.SIGKILL)
            await cancel_and_wait(talking)
            await _taken_up(world, interview.room, first, "redispatch_with_turns")
            await write_answers(world, interview.room, candidate, but=[first.header["job_id"]])
        await world.over(interview.room, jobs=2)


async def handed_over(world: World) -> None:
    """A worker drains, and hands its interview over to another one."""
    interview = await world.create(PLAN)
    async with (
        world.candidate(interview.room, interview.candidate_identity) as candidate,
        Worker(world, {"INTERVIEW_DRAIN_S": "1"}) as leaving,
    ):
        await world.send(interview)
        first = await world.asked(interview.room, "last-week")
        async with Worker(world, _COMES_BACK):
            await asyncio.sleep(3.0)  # until the first one knows of the other
            leaving.terminate()
            await _taken_up(world, interview.room, first, "handover")
            await write_answers(world, interview.room, candidate, but=[first.header["job_id"]])
            await world.over(interview.room, jobs=2)


async def late_turns(world: World) -> None:
    """A worker that cannot ship dies; its journal comes after another one took the interview up.

    The journal of its job, as it was left, is kept beside: it has no end.
    """
    cannot_ship = {"INTERVIEW_ALLOW_FAULTS": "1", "INTERVIEW_FAULTS": "database.ship=raise"}
    elsewhere = on_another_machine(world, _ELSEWHERE)
    interview = await world.create(PLAN)
    async with (
        world.candidate(interview.room, interview.candidate_identity) as candidate,
        Worker(world, {**cannot_ship, **elsewhere}) as dying,
    ):
        await world.send(interview)
        first = await world.asked(interview.room, "last-week")
        async with Worker(world, _COMES_BACK):
            await dying.killed(first)
            _keep_as_left(world, first.header["job_id"])
            await _taken_up(world, interview.room, first, "redispatch_without_turns")
            await write_answers(world, interview.room, candidate, but=[first.header["job_id"]])
            await world.one_over(interview.room)
    async with Worker(world, elsewhere):
        await world.over(interview.room, jobs=2)


async def worker_lost(world: World) -> None:
    """The main process is killed while no other worker runs."""
    async with Worker(world, {}) as worker:
        interview = await world.create(PLAN)
        async with world.candidate(interview.room, interview.candidate_identity) as candidate:
            await world.send(interview)
            await world.asked(interview.room, "last-week")
            await worker.killed()
            await candidate.wait_until_alone(timeout_s=180)
    async with Worker(world, {}):
        await world.over(interview.room)


async def _taken_up(world: World, room: str, first: History, form: str) -> None:
    """Wait for the job after this one, and keep what it was sent with."""
    await world.job(room, but=[first.header["job_id"]])
    await world.note_metadata(room, form, follows=True)


def _keep_as_left(world: World, job_id: str) -> None:
    journal = world.folder / _ELSEWHERE / "journals" / f"{job_id}.jsonl"
    kept = world.folder / "without_end"
    kept.mkdir(exist_ok=True)
    shutil.copyfile(journal, kept / journal.name)
