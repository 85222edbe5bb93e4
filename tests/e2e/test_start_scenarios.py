"""Difficult starts: an orchestrator that fails, a network that stalls, a burst of jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from states import Outcome, Reason, State, Status
from states.testing import assert_condition, assert_outcome, assert_path
from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.live import broken_plugins
from tests.support.live.heard import heard_by
from tests.support.live.one_question import ALL_THE_WAY, NEVER_STARTED, PLAN, is_running
from tests.support.live.scenarios import Record, assert_nothing_was_lost, talk, write_down
from tests.support.live.waiting import PATIENCE_S, eventually
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from tests.support.live.running_worker import StartWorker
    from worker.simulation.livekit_server import LiveKitServer

pytestmark = pytest.mark.usefixtures("voices")

DEGRADED = [state.replace("READY", "DEGRADED") for state in ALL_THE_WAY]


def flaky(failures: int) -> dict[str, str]:
    """Return settings of a worker whose orchestrator fails `failures` times in each job."""
    return {
        "PYTHONPATH": str(REPOSITORY),
        "INTERVIEW_APPLICATION": "tests.support.live.flaky_application:FlakyApplication",
        "FAILURES": str(failures),
    }


@pytest.mark.row("S2")
async def test_an_orchestrator_that_fails_once_loads_at_the_second_attempt(
    start_worker: StartWorker, record_property: Record
) -> None:
    worker = await start_worker(flaky(1))
    interview = await worker.create(PLAN)

    said = await talk(worker, interview)

    job = await worker.ended_job(interview.room)
    write_down(record_property, job, said)
    assert_path(job, *ALL_THE_WAY)
    assert_nothing_was_lost(job, said)
    (load,) = [step for step in job.steps if step.name == "load orchestrator"]
    assert (load.ok, load.attempts) == (True, 2)


@pytest.mark.row("C4", "S6")
async def test_an_orchestrator_that_fails_permanently_ends_the_job_with_an_apology(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(flaky(99))
    interview = await worker.create(PLAN)

    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
        assert "sorry" in await heard_by(candidate)

    job = await worker.ended_job(interview.room)
    assert_path(job, *NEVER_STARTED)
    assert_outcome(job, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED)
    assert_condition(job, "orchestrator", Status.LOST, "ConnectionResetError")
    assert job.exit_code == 1
    (line,) = worker.log(event="required_resource_failed")
    assert line["level"] == "error"


@pytest.mark.row("C2", "S8")
async def test_a_network_stall_during_loading_is_waited_out(
    livekit_server: LiveKitServer,
    start_worker: StartWorker,
    tmp_path: Path,
    record_property: Record,
) -> None:
    """The signalling connection stalls while resources load; media take another path."""
    broken_plugins.shadow(tmp_path, "silero", broken_plugins.SILERO_LATE)
    address = urlsplit(livekit_server.url)
    assert address.hostname
    async with TcpProxy(address.hostname, address.port) as proxy:
        url = f"ws://{proxy.host}:{proxy.port}"
        worker = await start_worker({"PYTHONPATH": str(tmp_path), "LIVEKIT_URL": url})
        interview = await worker.create(PLAN)
        talking = asyncio.create_task(talk(worker, interview))
        await worker.logged("ctx_connected")
        proxy.stall()
        # The VAD's budget ran out: the job continues without the VAD.
        await worker.job(interview.room, until=lambda job: State.DEGRADED in job.path)
        await proxy.heal()
        said = await talking
        job = await worker.ended_job(interview.room)
    write_down(record_property, job, said)
    assert_path(job, *DEGRADED)
    assert_nothing_was_lost(job, said)


@pytest.mark.row("S8")
async def test_eight_concurrent_jobs_are_each_served_or_refused(
    start_worker: StartWorker,
) -> None:
    slots = 6
    worker = await start_worker({"INTERVIEW_SLOTS": str(slots), "INTERVIEW_CANDIDATE_JOIN_S": "20"})
    interviews = [await worker.create(PLAN) for _ in range(8)]

    await asyncio.gather(*map(worker.send_interviewer, interviews))

    def turned_down() -> list[str]:
        lines = worker.log(event="job_refused")
        return [line["job_id"] for line in lines if line["message"].endswith("no slot is free")]

    def served() -> list[str]:
        return [
            interview.room
            for interview in interviews
            if any(is_running(job) for job in worker.histories(interview.room))
        ]

    await eventually(lambda: len(served()) == slots, "six interviews that run")
    await eventually(lambda: len(set(turned_down())) == 8 - slots, "two that were turned down")
    # A candidate is greeted although the worker is full.
    first = next(each for each in interviews if each.room == served()[0])
    async with worker.candidate_of(first) as candidate:
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        assert "welcome" in await heard_by(candidate)
        await worker.delete_room(first.room)
    for room in set(served()) - {first.room}:
        job = await worker.ended_job(room)
        assert_path(job, *ALL_THE_WAY)
        assert_outcome(job, Outcome.ABANDONED, Reason.CANDIDATE_NEVER_JOINED)
        assert job.exit_code == 0
