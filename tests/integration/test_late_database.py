"""An interview that starts without its database and ships its records later."""

from __future__ import annotations

import asyncio
import functools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

from states import Status
from tests.support.database.database_urls import through
from tests.support.database.running_job import HEADER, RunningJob
from worker.aio.backoff import ExponentialBackoff
from worker.config.settings import Settings
from worker.interview import interview_loading
from worker.interview.application import InterviewApplication
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.job.application import Dispatch
from worker.job.job import Job
from worker.journal import shipper
from worker.resources.bootstrap import AgentResources, bootstrap_resources
from worker.store.interviews import create_interview, get_interview
from worker.store.jobs import get_job, records_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.stand_ins.tcp_proxy import TcpProxy
    from worker.resources.resource import LoadReport, Resource
    from worker.store.database import Database

PLAN = load_plan(SAMPLE_PLAN)


class Interview:
    """The parts of a job that use its database."""

    def __init__(self, job: RunningJob, url: str, folder: Path, *, snapshot: bool) -> None:
        plan = {"plan": PLAN.to_json()} if snapshot else {}
        metadata = json.dumps({"interview_id": "one", **plan})
        dispatch = Dispatch(job_id=HEADER["job_id"], room="room-1", metadata=metadata)
        settings = Settings.load(_env_file=None, DATABASE_URL=url, INTERVIEW_DATA_DIR=folder)
        self.app = InterviewApplication(dispatch, settings)
        self.held = AgentResources()
        self.late: asyncio.Queue[LoadReport] = asyncio.Queue()
        self._job = job
        # The application needs only these of a job; `ship` gives it the job's own shipper.
        self._handle = MagicMock(life=job.life, resources=self.held, shipper=None)

    def ship(self) -> None:
        """Begin to ingest the journal, as the job does before it attaches a database."""
        Job.ship_journal(self._handle)

    async def loads(self, change: Callable[[Resource], Resource] = lambda it: it) -> None:
        """Load the database and the orchestrator."""
        needed = [r for r in self.app.resources() if r.name in ("database", "orchestrator")]
        await bootstrap_resources(
            [change(resource) for resource in needed],
            self.held,
            on_report=self._job.report,
            on_late=self.late.put,
        )

    async def starts(self) -> Any:
        """Start the session and return it."""
        self.ship()
        session, _ = self.app.start_session(self._handle, self.held)
        await self._job.run()
        return session


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipper, "_BATCH_S", 0.0)
    monkeypatch.setattr(shipper, "_RETRY", ExponentialBackoff(first_s=0.0, longest_s=0.0))


@pytest.fixture
async def direct(database: Database) -> Database:
    """Return a direct `Database` that no fault affects, with the interview `one`."""
    await create_interview(database, interview_id="one", plan=PLAN.to_json(), room="room-1")
    return database


async def everything_is_stored(database: Database, job: RunningJob) -> None:
    while await records_of(database, "AJ_1") != job.records:
        pass


@pytest.mark.row("S8")
async def test_a_database_down_at_the_start_gets_everything_once_it_is_up(
    direct: Database, proxy: TcpProxy, migrated_database_url: str, tmp_path: Path
) -> None:
    proxy.refuse()
    async with RunningJob() as job:
        url = through(proxy, migrated_database_url)
        interview = Interview(job, url, tmp_path, snapshot=True)
        await interview.loads()
        assert (await job.database_is(Status.LOST)).reason == "DatabaseUnavailable"
        await interview.starts()
        job.says("while it was down")
        await proxy.heal()
        await job.database_is(Status.READY)
        job.says("after")
        await everything_is_stored(direct, job)
        await interview.held.aclose()


@pytest.mark.row("B2")
async def test_a_late_database_gets_everything_once_it_is_attached(
    direct: Database, proxy: TcpProxy, migrated_database_url: str, tmp_path: Path
) -> None:
    proxy.stall()
    async with RunningJob() as job:
        url = through(proxy, migrated_database_url)
        interview = Interview(job, url, tmp_path, snapshot=True)
        await interview.loads(lambda it: replace(it, budget_s=0.1))
        assert (await job.database_is(Status.LOST)).reason == "LoadTimeout"
        session = await interview.starts()
        await proxy.heal()
        report = await interview.late.get()
        assert report.ok
        (resource,) = (r for r in interview.app.resources() if r.name == "database")
        assert resource.attach is not None
        for _ in range(2):
            interview.ship()
            await resource.attach(session, interview.held.get("database"))
        await everything_is_stored(direct, job)
        assert len([t for t in asyncio.all_tasks() if t.get_name() == "shipper"]) == 1
        await interview.held.aclose()


@pytest.mark.row("S2")
async def test_without_a_snapshot_a_database_that_comes_up_during_loading_suffices(
    direct: Database, proxy: TcpProxy, migrated_database_url: str, tmp_path: Path
) -> None:
    proxy.refuse()
    async with RunningJob() as job:
        url = through(proxy, migrated_database_url)
        interview = Interview(job, url, tmp_path, snapshot=False)
        loading = asyncio.create_task(interview.loads())
        await job.database_is(Status.LOST)
        await proxy.heal()
        await loading
        assert interview.held.reports["orchestrator"].ok
        await interview.held.aclose()


async def test_with_neither_database_nor_snapshot_there_is_no_orchestrator(
    direct: Database,
    proxy: TcpProxy,
    migrated_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    impatient = functools.partial(get_interview, budget_s=0.3)
    monkeypatch.setattr(interview_loading, "get_interview", impatient)
    proxy.refuse()
    async with RunningJob() as job:
        url = through(proxy, migrated_database_url)
        interview = Interview(job, url, tmp_path, snapshot=False)
        await interview.loads()
        report = interview.held.reports["orchestrator"]
        assert (report.ok, report.reason) == (False, "PlanUnavailable")
        await interview.held.aclose()
    assert await get_job(direct, "AJ_1") is None
