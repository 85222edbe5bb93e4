"""A database that is down, goes down, comes back or stalls: real processes, through a proxy."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from states import History, Outcome, Reason, Status
from states.testing import assert_condition, assert_outcome, assert_path
from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.live.breakable import socket_of
from tests.support.live.heard import heard_by
from tests.support.live.one_question import ALL_THE_WAY, NEVER_STARTED, PLAN, is_running
from tests.support.live.running_worker import RunningWorker, database_elsewhere
from tests.support.live.scenarios import Record, assert_nothing_was_lost, talk, write_down
from tests.support.live.waiting import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.simulation.livekit_server import LiveKitServer
    from worker.store.interviews import Interview

pytestmark = [
    pytest.mark.xdist_group("database"),
    # The worker and the proxy are shared between tests, so the event loop is shared as well.
    pytest.mark.asyncio(loop_scope="module"),
]

DEGRADED = [state.replace("READY", "DEGRADED") for state in ALL_THE_WAY]


class Behind:
    """A worker whose database is behind a proxy; the test itself connects directly."""

    def __init__(self, worker: RunningWorker, proxy: TcpProxy) -> None:
        self.worker = worker
        self.proxy = proxy

    def away(self) -> None:
        """Simulate a dead server: cut all connections and refuse new ones."""
        self.proxy.refuse()
        self.proxy.cut()

    async def has_kept(self, interview: Interview, job: History) -> None:
        """Assert that the database holds every turn of the job's journal."""
        shown = await self.worker.command_json("interviews", "show", interview.interview_id)
        kept = [(turn["speaker"], turn["text"]) for turn in shown["turns"]]
        assert kept == [(turn.speaker, turn.text) for turn in job.turns]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind(livekit_server: LiveKitServer, voices: None) -> AsyncIterator[Behind]:
    """Yield one shared worker; its database must be available again after each interview."""
    async with database_elsewhere() as direct, TcpProxy(socket_of(direct)) as proxy:
        url = f"postgresql://postgres@{proxy.host}:{proxy.port}/postgres"
        worker = RunningWorker(livekit_server, {"DATABASE_URL": url, "INTERVIEW_EMBEDDED": "0"})
        try:
            await worker.start()
            # The test's own commands and records bypass the proxy.
            worker.settings["DATABASE_URL"] = direct
            yield Behind(worker, proxy)
        finally:
            await worker.discard()


def has_answered(job: History) -> bool:
    """Return whether the journal has an answer of the candidate."""
    return any(turn.speaker == "candidate" for turn in job.turns)


def last_statuses(job: History) -> list[tuple[Status, str]]:
    return [
        (change.status, change.reason)
        for change in job.condition_changes
        if change.resource == "database" and change.status is not Status.PENDING
    ]


@pytest.mark.row("S8")
async def test_with_the_database_down_the_dispatchs_plan_is_used_and_all_is_stored_later(
    behind: Behind, record_property: Record
) -> None:
    worker = behind.worker
    interview = await worker.create(PLAN)
    behind.away()

    said = await talk(worker, interview)
    (job,) = await eventually(lambda: worker.histories(interview.room), "the job's journal")
    assert_condition(job, "database", Status.LOST, "DatabaseUnavailable")
    await worker.logged("job_process_ended", job_id=job.header["job_id"])
    await behind.proxy.heal()

    job = await worker.ended_job(interview.room)
    write_down(record_property, job, said)
    assert_path(job, *DEGRADED)
    assert_nothing_was_lost(job, said)
    await behind.has_kept(interview, job)


async def test_with_the_database_down_and_no_plan_in_the_dispatch_there_is_an_apology(
    behind: Behind,
) -> None:
    worker = behind.worker
    interview = await worker.create(PLAN)
    behind.away()

    async with worker.candidate_of(interview) as candidate:
        metadata = json.dumps({"interview_id": interview.interview_id})
        await worker.dispatch(interview.room, metadata)
        await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
        assert "sorry" in await heard_by(candidate)

    await behind.proxy.heal()
    job = await worker.ended_job(interview.room)
    assert_path(job, *NEVER_STARTED)
    assert_outcome(job, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED)
    assert job.exit_code == 1


@pytest.mark.row("S6")
async def test_a_database_outage_during_the_interview_loses_nothing_and_adds_no_pause(
    behind: Behind, record_property: Record
) -> None:
    worker = behind.worker
    interview = await worker.create(PLAN)

    talking = asyncio.create_task(talk(worker, interview))
    await worker.job(interview.room, until=is_running)
    behind.away()
    await worker.job(interview.room, until=has_answered)
    await behind.proxy.heal()
    said = await talking

    job = await worker.ended_job(interview.room)
    write_down(record_property, job, said)
    assert_path(job, *ALL_THE_WAY)
    assert_nothing_was_lost(job, said)
    await behind.has_kept(interview, job)


@pytest.mark.row("B2")
async def test_a_database_that_stalls_during_loading_is_attached_when_it_answers(
    behind: Behind, record_property: Record
) -> None:
    worker = behind.worker
    interview = await worker.create(PLAN)
    behind.proxy.stall()

    talking = asyncio.create_task(talk(worker, interview))
    await worker.job(interview.room, until=is_running)
    await behind.proxy.heal()
    said = await talking

    job = await worker.ended_job(interview.room)
    write_down(record_property, job, said)
    assert_path(job, *DEGRADED)
    assert_nothing_was_lost(job, said)
    assert last_statuses(job)[0][0] is Status.LOST
    assert last_statuses(job)[-1] == (Status.READY, "Shipping")
    await behind.has_kept(interview, job)
