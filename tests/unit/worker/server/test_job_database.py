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
from livekit.protocol import agent, models

from tests.support.virtual.job_parts import settings_in
from worker.job.launch_settings import given_settings
from worker.server import job_database
from worker.server.job_database import JobDatabase
from worker.store.errors import DatabaseUnavailable
from worker.store.job_access import JobAccess, pass_for
from worker.store.job_role import NoJobRole
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
        job=agent.Job(id="AJ_1", room=models.Room(name="room-1"), metadata=metadata),
        url="",
        token="",
        worker_id="",
        fake_job=False,
    )


async def launched_url(jobs: JobDatabase, metadata: str) -> str:
    """Return the database URL that a job gets."""
    return (await launched_settings(jobs, metadata)).get("DATABASE_URL", "")


async def launched_settings(jobs: JobDatabase, metadata: str) -> dict[str, str]:
    """Return the settings that a job gets with its launch."""
    pool = FakePool()
    jobs.watch(cast("ProcPool", pool))
    await pool.launch_job(info_of(metadata))
    context = cast("JobContext", SimpleNamespace(_info=pool.launched[0]))
    return given_settings(context)


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
    assert (
        url
        == f"postgresql://jobs:other@localhost/x?interview_pass={pass_for(KEY, 'one', 'room-1')}"
    )


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
    assert "interview_pass" in jobs.url_for(metadata, "room-1")


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
    assert jobs.url_for(metadata, "room-1") == OWNER
    assert len(caplog.messages) == 1
    monkeypatch.setattr(job_database, "prepare_job_access", _found)
    await jobs.prepare()
    assert "interview_pass" in jobs.url_for(metadata, "room-1")


async def test_another_url_of_the_worker_moves_the_jobs_to_the_server_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, ACCESS)
    await jobs.prepare()

    async def prepare(_: Database, url: str, **__: object) -> JobAccess:
        server = DatabaseUrl.of(url.replace("owner:new", "jobs:other"))
        return JobAccess(role="jobs", _url=server, _key=KEY)

    monkeypatch.setattr(job_database, "prepare_job_access", prepare)
    jobs.use(settings_in(tmp_path, DATABASE_URL=OWNER))
    assert jobs._preparing is None
    jobs.use(settings_in(tmp_path, DATABASE_URL="postgresql://owner:new@127.0.0.1/x"))
    assert jobs._preparing is not None
    await jobs._preparing
    metadata = json.dumps({"interview_id": "one"})
    assert jobs.url_for(metadata, "room-1").startswith("postgresql://jobs:other@127.0.0.1/x?")


async def test_a_url_that_changes_while_the_role_is_tried_is_tried_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, ACCESS)
    asked: list[str] = []

    async def prepare(_: Database, url: str, **__: object) -> JobAccess:
        asked.append(url)
        jobs.use(settings_in(tmp_path, DATABASE_URL="postgresql://owner:new@localhost/x"))
        return ACCESS

    monkeypatch.setattr(job_database, "prepare_job_access", prepare)
    for _ in range(3):
        await jobs.prepare()
    assert asked == [OWNER, "postgresql://owner:new@localhost/x"]


async def test_without_a_database_a_launch_stays_as_it_is(tmp_path: Path) -> None:
    jobs = JobDatabase(settings_in(tmp_path, DATABASE_URL=""), lambda: None)
    await jobs.prepare()
    assert await launched_url(jobs, json.dumps({"interview_id": "one"})) == ""


async def test_without_a_role_jobs_get_the_password_that_was_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    settings = settings_in(tmp_path, DATABASE_URL="postgresql://owner@localhost/x")
    jobs = JobDatabase(settings, lambda: None)
    monkeypatch.delenv("PGPASSWORD")
    assert await launched_url(jobs, "") == OWNER


@pytest.mark.parametrize("password", ["", "of the environment"])
@pytest.mark.parametrize("result", [ACCESS, NoJobRole("the worker may not make one")])
async def test_only_a_job_with_the_workers_own_url_reads_it_again_from_its_file(
    result: JobAccess | Exception, password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text(OWNER)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("PGPASSWORD", password)
    jobs = jobs_in(tmp_path, monkeypatch, result)
    await jobs.prepare()
    reads = result is not ACCESS and not password
    given = {"DATABASE_URL": jobs.url_for("", "room-1")} | (
        {"DATABASE_URL_FILE": str(tmp_path / "url")} if reads else {}
    )
    assert await launched_settings(jobs, "") == given


# --- rotation -------------------------------------------------------------------------------------

ROTATED = "postgresql://owner:rotated@localhost/x"


async def test_without_a_role_jobs_get_a_rotated_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, NoJobRole("the worker may not make one"))
    await jobs.prepare()
    jobs.use(settings_in(tmp_path, DATABASE_URL=ROTATED))
    assert await launched_url(jobs, "") == ROTATED


@pytest.mark.parametrize(
    "rotated",
    [{"DATABASE_URL": ROTATED}, {"DATABASE_URL": OWNER, "INTERVIEW_DATABASE_JOB_URL": ROTATED}],
    ids=["the URL of the worker", "the URL of the jobs"],
)
async def test_with_a_rotated_url_the_role_is_made_and_tried_again(
    rotated: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, ACCESS)
    await jobs.prepare()
    moved = DatabaseUrl.of("postgresql://jobs:new@localhost/x")
    tried: list[tuple[str, str]] = []

    async def prepare(_: Database, url: str, *, job_url: str) -> JobAccess:
        tried.append((url, job_url))
        return JobAccess(role="jobs", _url=moved, _key=KEY)

    monkeypatch.setattr(job_database, "prepare_job_access", prepare)
    jobs.use(settings_in(tmp_path, **rotated))
    assert jobs._preparing is not None
    await jobs._preparing
    jobs.use(settings_in(tmp_path, **rotated))
    await jobs._preparing
    assert tried == [(rotated["DATABASE_URL"], rotated.get("INTERVIEW_DATABASE_JOB_URL", ""))]
    assert jobs.url_for("", "room-1").startswith(str(moved))


async def test_while_the_database_is_unavailable_the_role_before_a_rotation_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, monkeypatch, ACCESS)
    await jobs.prepare()
    away = DatabaseUnavailable("job_role", OSError(), "postgresql://db")
    jobs_in(tmp_path, monkeypatch, away)
    jobs.use(settings_in(tmp_path, DATABASE_URL=ROTATED))
    assert jobs._preparing is not None
    await jobs._preparing
    assert (await launched_url(jobs, "")).startswith("postgresql://jobs:other@")


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
