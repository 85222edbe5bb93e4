"""Webhooks of a real LiveKit server: workers react without waiting for their next check."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp
import pytest

from states import Outcome, Reason
from tests.support.live.coming_back import COMES_BACK, LONGEST_ALONE_S, has_asked, is_over
from tests.support.live.heard import heard_by
from tests.support.live.one_question import PLAN, SCRIPT
from tests.support.live.running_worker import RunningWorker
from tests.support.live.waiting import PATIENCE_S, answered
from worker.livekit_api.webhooks import PATH
from worker.simulation.conversation import hold_conversation
from worker.simulation.livekit_config import Ports
from worker.simulation.livekit_server import API_KEY, LiveKitServer
from worker.store.embedded.client import EmbeddedPostgres

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.live.scenarios import Record

pytestmark = pytest.mark.usefixtures("voices")

#: Seconds between two checks: longer than the candidate would wait.
RARELY = {"INTERVIEW_WATCH_S": "60"}


def worker_at(port: int, server: LiveKitServer, **settings: str) -> RunningWorker:
    """Return a worker that takes webhooks on `port` and rarely checks rooms without them."""
    return RunningWorker(
        server, COMES_BACK | RARELY | {"INTERVIEW_HTTP_PORT": str(port)} | settings
    )


async def webhooks_at(port: int, event: str) -> float:
    """Return how many webhooks of this event the worker has counted."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        page = await answer.text()
    start = f'interview_livekit_webhooks_total{{event="{event}"}} '
    (line,) = (line for line in page.splitlines() if line.startswith(start))
    return float(line.removeprefix(start))


@pytest.mark.rotates
async def test_one_of_two_workers_redispatches_when_a_webhook_reports_a_returned_candidate(
    livekit_binary: Path, record_property: Record
) -> None:
    ports = [Ports.free().signal for _ in range(2)]
    urls = [f"http://127.0.0.1:{port}{PATH}" for port in ports]
    configured = {"webhook": {"api_key": API_KEY, "urls": urls}}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            LiveKitServer(livekit_binary, extra_config=configured)
        )
        first = worker_at(ports[0], server)
        stack.push_async_callback(first.discard)
        await first.start()
        interview = await first.create(PLAN)
        async with first.candidate_of(interview):
            await first.send_interviewer(interview)
            job = await first.job(interview.room, until=has_asked)
            database = await stack.enter_async_context(await EmbeddedPostgres.start(first.data_dir))
            second = worker_at(
                ports[1], server, DATABASE_URL=database.url, INTERVIEW_AGENT_NAME=first.agent_name
            )
            stack.push_async_callback(second.discard)
            await second.start()

        # The interviewer dies while the candidate is gone: no dispatch to an empty room.
        async def is_empty() -> bool:
            present = await first.participants(interview.room)
            return interview.candidate_identity not in present

        await answered(is_empty, "the end of the candidate's presence")
        os.kill(job.header["pid"], signal.SIGKILL)
        await first.ended_job(interview.room)
        async with first.candidate_of(interview) as candidate:
            back_s = await candidate.wait_for_sound(since_s=0.0, timeout_s=PATIENCE_S)
            record_property("alone_s", f"{back_s:.2f}")
            assert back_s < LONGEST_ALONE_S
            await hold_conversation(candidate, SCRIPT)
            # The candidate had left before the interviewer died.
            assert "welcome back" in await heard_by(candidate)
        assert await is_over(first, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
        sent = [each.log(event="interviewer_redispatched") for each in (first, second)]
        assert [line["reason"] for lines in sent for line in lines] == [Reason.PROCESS_KILLED]
        for port in ports:
            assert await webhooks_at(port, "participant_joined") > 0
            assert await webhooks_at(port, "refused") == 0
