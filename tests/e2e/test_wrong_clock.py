"""A clock that is set back an hour in the middle of an interview, under real processes."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason
from tests.support.live.coming_back import (
    COMES_BACK,
    LONGEST_ALONE_S,
    alone_after,
    has_asked,
    is_over,
    roles_of,
    successor,
)
from tests.support.live.one_question import PLAN, SCRIPT
from tests.support.live.running_worker import RunningWorker, database_elsewhere
from tests.support.live.waiting import PATIENCE_S
from tests.support.live.wrong_clock import Clock
from worker.simulation.conversation import hold_conversation

if TYPE_CHECKING:
    from states import History
    from tests.support.live.scenarios import Record
    from worker.simulation.livekit_server import LiveKitServer

pytestmark = pytest.mark.usefixtures("voices")


def began(job: History) -> datetime:
    """Return the time at which a job began, by its worker's clock."""
    return datetime.fromisoformat(job.header["at"])


@pytest.mark.rotates
@pytest.mark.parametrize("of_the_database_too", [True, False], ids=["with its database", "alone"])
async def test_a_clock_set_back_loses_nothing_and_redispatch_still_works(
    of_the_database_too: bool, livekit_server: LiveKitServer, record_property: Record
) -> None:
    async with AsyncExitStack() as stack:
        clock = stack.enter_context(Clock())
        settings = dict(COMES_BACK)
        if not of_the_database_too:
            settings["DATABASE_URL"] = await stack.enter_async_context(database_elsewhere())
        worker = RunningWorker(livekit_server, settings, inside=clock.inside)
        stack.push_async_callback(worker.discard)
        await worker.start()
        interview = await worker.create(PLAN)
        async with worker.candidate_of(interview) as candidate:
            await worker.send_interviewer(interview)
            first = await worker.job(interview.room, until=has_asked)
            clock.set_back(hours=1)
            await candidate.wait_until_interviewer_paused(quiet_s=1.5, timeout_s=PATIENCE_S)
            killed_s = candidate.now_s
            os.kill(first.header["pid"], signal.SIGKILL)
            alone_s = await alone_after(candidate, killed_s)
            record_property("alone_s", f"{alone_s:.2f}")
            assert alone_s < LONGEST_ALONE_S
            async with worker.database() as database:
                now = await database.run("now", lambda c: c.fetchval("SELECT clock_timestamp()"))
            assert (datetime.now(UTC) - now > timedelta(minutes=50)) is of_the_database_too
            second = await successor(worker, interview, first)
            assert began(first) - began(second) > timedelta(minutes=50)
            await hold_conversation(candidate, SCRIPT)
        end = await is_over(worker, interview)
        assert end == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
        assert await roles_of(worker, interview) == ["opening", "repeat", "answer", "closing"]
