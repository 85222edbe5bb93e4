"""The example of an agent of one's own that another job continues, on real processes."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from states import Outcome
from states.testing import assert_outcome, assert_path
from tests.support.live.coming_back import COMES_BACK, LONGEST_ALONE_S, alone_after
from tests.support.live.heard import heard_by
from tests.support.live.one_question import ALL_THE_WAY, is_running, new_room
from tests.support.live.waiting import PATIENCE_S
from tests.support.paths import REPOSITORY
from worker.simulation.voice import LocalVoice

if TYPE_CHECKING:
    from states import History
    from tests.support.live.running_worker import StartWorker
    from tests.support.live.scenarios import Record
    from worker.simulation.room_candidate import Candidate

BOOKING = {
    **COMES_BACK,
    "PYTHONPATH": f"{REPOSITORY / 'examples'}:{REPOSITORY}",
    "INTERVIEW_APPLICATION": "booking:Booking",
}
VISITOR = "visitor"


async def asked(visitor: Candidate, since_s: float) -> str:
    """Return what the agent said until it waited for an answer."""
    await visitor.wait_for_sound(since_s=since_s, timeout_s=PATIENCE_S)
    await visitor.wait_until_interviewer_paused(quiet_s=1.5, timeout_s=PATIENCE_S)
    return await heard_by(visitor, since_s=since_s)


async def answer(visitor: Candidate, words: str) -> float:
    """Say an answer; return the time of its end."""
    return (await visitor.say(*await LocalVoice().render(words))).end_s


@pytest.mark.usefixtures("voices")
async def test_a_booking_is_continued_at_the_next_question_after_its_job_was_killed(
    start_worker: StartWorker, record_property: Record
) -> None:
    worker = await start_worker(BOOKING)
    room = new_room()
    work = {"interview_id": f"booking-{room}", "candidate_identity": VISITOR}

    def answers_to(job: History) -> list[str | None]:
        return [turn.question_id for turn in job.turns]

    async with worker.candidate(room, VISITOR) as visitor:
        await worker.dispatch(room, json.dumps(work))
        said = await asked(visitor, 0.0)
        assert "welcome" in said
        assert "name" in said
        end_s = await answer(visitor, "My name is Ada Lovelace.")
        assert "day" in await asked(visitor, end_s)
        first = await worker.job(room, until=lambda job: answers_to(job) == ["name"])
        assert f"booking-{first.header['job_id']}" in await worker.participants(room)

        killed_s = visitor.now_s
        os.kill(first.header["pid"], signal.SIGKILL)
        alone_s = await alone_after(visitor, killed_s)
        record_property("alone_s", f"{alone_s:.2f}")
        assert alone_s < LONGEST_ALONE_S
        said = await asked(visitor, killed_s + 0.3)
        assert "interrupted" in said
        assert "day" in said
        assert "name" not in said
        second = await worker.job(
            room, until=lambda job: is_running(job) and job.header["pid"] != first.header["pid"]
        )
        assert second.header["follows_job"] == first.header["job_id"]
        end_s = await answer(visitor, "I would like to come on Friday.")
        assert "people" in await asked(visitor, end_s)
        await answer(visitor, "There will be three of us.")
        await visitor.wait_until_alone(timeout_s=PATIENCE_S)

    ended = await worker.job(
        room, until=lambda job: job.exited and job.header["pid"] == second.header["pid"]
    )
    assert_path(ended, *ALL_THE_WAY)
    assert_outcome(ended, Outcome.COMPLETED, "VisitBooked")
    assert answers_to(ended) == ["day", "guests"]
    shown = await worker.command_json("interviews", "show", work["interview_id"])
    assert (shown["status"], shown["reason"]) == ("ended", "VisitBooked")
    assert [turn["question_id"] for turn in shown["turns"]] == ["name", "day", "guests"]
    (row,) = [
        row
        for row in await worker.command_json("jobs", "list")
        if row["job_id"] == ended.header["job_id"]
    ]
    assert (row["outcome"], row["reason"]) == ("completed", "VisitBooked")
