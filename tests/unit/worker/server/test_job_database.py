"""Which database URL a job gets with its launch."""

from __future__ import annotations

import inspect
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.agents import AgentServer
from livekit.agents.ipc.proc_pool import ProcPool
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.protocol import agent

from tests.support.virtual.job_parts import settings_in
from worker.job.launch_settings import given_settings
from worker.server import job_database
from worker.server.job_database import JobDatabase
from worker.store.errors import DatabaseUnavailable
from worker.store.job_access import JobAccess, NoJobRole, pass_for
from worker.store.url import DatabaseUrl

if TYPE_CHECKING:
    from pathlib import Path

    from livekit.agents import JobContext

    from worker.store.database import Database

OWNER = "postgresql://owner:secret@localhost/x"
KEY = b"k" * 32
ACCESS = JobAccess(
    role="jobs", _url=DatabaseUrl.of("postgresql://jobs:other@localhost/x"), _key=KEY
)


class FakePool:
    """Keeps the launches of jobs."""

    def __init__(self) -> None:
        self.launched: list[RunningJobInfo] = []

    async def launch_job(self, info: RunningJobInfo) -> None:
        self.launched.append(info)


def info_of(metadata: str) -> RunningJobInfo:
    return RunningJobInfo(
        accept_arguments=JobAcceptArguments(name="", identity="interviewer-1", metadata=""),
        job=agent.Job(id="AJ_1", metadata=metadata),
        url="",
        token="",
        worker_id="",
        fake_job=False,
    )


async def launched_url(jobs: JobDatabase, metadata: str) -> str:
    """Return the database URL that a job gets."""
    pool = FakePool()
    jobs.watch(cast("ProcPool", pool))
    await pool.launch_job(info_of(metadata))
    context = cast("JobContext", SimpleNamespace(_info=pool.launched[0]))
    return given_settings(context).get("DATABASE_URL", "")


def jobs_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, result: JobAccess | Exception, **more: Any
) -> JobDatabase:
    async def prepare(*_: object, **__: object) -> JobAccess:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(job_database, "prepare_job_access", prepare)
    settings = settings_in(folder, DATABASE_URL=OWNER, **more)
    return JobDatabase(settings, lambda: cast("Database", object()))


async def test_a_job_gets_the_role_of_jobs_and_the_pass_of_its_interview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, ACCESS)
    await jobs.prepare()
    url = await launched_url(jobs, json.dumps({"interview_id": "one"}))
    assert url == f"postgresql://jobs:other@localhost/x?interview_pass={pass_for(KEY, 'one')}"


@pytest.mark.parametrize("metadata", ["", "no JSON", '{"interview_id": "a b"}'])
async def test_a_job_without_an_interview_gets_no_pass(
    metadata: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, ACCESS)
    await jobs.prepare()
    assert (await launched_url(jobs, metadata)).endswith("?interview_pass=none")


async def test_without_a_role_jobs_connect_as_the_worker_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, NoJobRole("the worker may not make one"))
    await jobs.prepare()
    await jobs.prepare()
    assert await launched_url(jobs, json.dumps({"interview_id": "one"})) == OWNER
    (line,) = caplog.messages
    assert "with all rights of the worker" in line
    assert "the worker may not make one" in line


async def test_a_database_that_was_unavailable_is_asked_again_at_the_next_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = DatabaseUnavailable("job_role", OSError(), "postgresql://db")
    jobs = jobs_in(tmp_path, monkeypatch, away)
    await jobs.prepare()
    metadata = json.dumps({"interview_id": "one"})
    monkeypatch.setattr(job_database, "prepare_job_access", _found)
    assert await launched_url(jobs, metadata) == OWNER  # the launch does not wait
    assert jobs._preparing is not None
    await jobs._preparing
    assert "interview_pass" in jobs.url_for(metadata)


async def _found(*_: object, **__: object) -> JobAccess:
    return ACCESS


async def test_a_role_whose_trial_failed_for_a_time_is_tried_at_the_next_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One log line says it, however many jobs begin until then."""
    busy = NoJobRole("role jobs cannot connect (TooManyConnectionsError 53300)", may_pass=True)
    jobs = jobs_in(tmp_path, monkeypatch, busy)
    await jobs.prepare()
    await jobs.prepare()
    metadata = json.dumps({"interview_id": "one"})
    assert jobs.url_for(metadata) == OWNER
    assert len(caplog.messages) == 1
    monkeypatch.setattr(job_database, "prepare_job_access", _found)
    await jobs.prepare()
    assert "interview_pass" in jobs.url_for(metadata)


async def test_another_url_of_the_worker_moves_the_jobs_to_the_server_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, ACCESS)
    await jobs.prepare()

    async def prepare(_: Database, url: str, **__: object) -> JobAccess:
        server = DatabaseUrl.of(url.replace("owner:new", "jobs:other"))
        return JobAccess(role="jobs", _url=server, _key=KEY)

    monkeypatch.setattr(job_database, "prepare_job_access", prepare)
    jobs.use_url(OWNER)
    assert jobs._preparing is None
    jobs.use_url("postgresql://owner:new@127.0.0.1/x")
    assert jobs._preparing is not None
    await jobs._preparing
    metadata = json.dumps({"interview_id": "one"})
    assert jobs.url_for(metadata).startswith("postgresql://jobs:other@127.0.0.1/x?")


async def test_a_url_that_changes_while_the_role_is_tried_is_tried_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, ACCESS)
    asked: list[str] = []

    async def prepare(_: Database, url: str, **__: object) -> JobAccess:
        asked.append(url)
        jobs._url = "postgresql://owner:new@localhost/x"
        return ACCESS

    monkeypatch.setattr(job_database, "prepare_job_access", prepare)
    for _ in range(3):
        await jobs.prepare()
    assert asked == [OWNER, "postgresql://owner:new@localhost/x"]


async def test_without_a_database_a_launch_stays_as_it_is(tmp_path: Path) -> None:
    jobs = JobDatabase(settings_in(tmp_path, DATABASE_URL=""), lambda: None)
    await jobs.prepare()
    assert await launched_url(jobs, json.dumps({"interview_id": "one"})) == ""


async def test_a_role_that_may_do_more_is_named_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    strong = JobAccess(
        role="jobs", beyond=("delete from turns",), _url=DatabaseUrl.of(OWNER), _key=KEY
    )
    await jobs_in(tmp_path, monkeypatch, strong).prepare()
    assert "role jobs may delete from turns" in caplog.text


def test_the_framework_launches_a_job_by_the_method_that_is_replaced() -> None:
    assert "self._proc_pool.launch_job(" in inspect.getsource(AgentServer)
    assert inspect.iscoroutinefunction(ProcPool.launch_job)
