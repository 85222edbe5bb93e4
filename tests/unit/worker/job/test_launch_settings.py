"""Settings that a job gets with its launch instead of from its environment."""

from __future__ import annotations

import inspect
import os
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from livekit.agents import JobContext
from livekit.agents.ipc import proto
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.protocol import agent

from tests.support.virtual.job_parts import fake_context
from worker.config.settings import Settings
from worker.env.secret_files import secret_files
from worker.job.launch_settings import given_settings, settings_of, with_settings

if TYPE_CHECKING:
    from pathlib import Path

INFO = RunningJobInfo(
    accept_arguments=JobAcceptArguments(name="Ada", identity="interviewer-1", metadata=""),
    job=agent.Job(id="AJ_1"),
    url="",
    token="",
    worker_id="",
    fake_job=False,
)


def context_of(info: RunningJobInfo) -> JobContext:
    return cast(JobContext, SimpleNamespace(_info=info))


def sent(info: RunningJobInfo) -> RunningJobInfo:
    """Return a launch as the process of the job receives it."""
    there = BytesIO()
    request = proto.StartJobRequest()
    request.running_job = info
    request.write(there)
    there.seek(0)
    received = proto.StartJobRequest()
    received.read(there)
    return received.running_job


def test_the_settings_of_a_launch_reach_the_process_of_the_job() -> None:
    settings = {"DATABASE_URL": "postgresql://jobs:secret@db/x?interview_pass=abc"}
    received = sent(with_settings(INFO, settings))
    assert given_settings(context_of(received)) == settings
    assert received.accept_arguments.identity == "interviewer-1"


def test_a_launch_without_settings_gives_none() -> None:
    assert given_settings(context_of(sent(INFO))) == {}
    assert given_settings(fake_context()) == {}


def test_the_framework_uses_the_field_for_nothing_else_in_a_job() -> None:
    assert "accept_arguments" not in inspect.getsource(JobContext)


def test_a_job_has_the_url_of_its_launch_and_the_file_to_read_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("postgresql://me:second@localhost/db")
    # The main process has emptied these.
    emptied = {"DATABASE_URL": "", "DATABASE_URL_FILE": ""}
    monkeypatch.setattr(os, "environ", {**os.environ, **emptied})
    url = "postgresql://me:first@localhost/db"
    alone = settings_of(context_of(sent(with_settings(INFO, {"DATABASE_URL": url}))))
    assert alone.database_url.get_secret_value() == url
    assert secret_files(Settings) == {}
    both = {"DATABASE_URL": url, "DATABASE_URL_FILE": str(tmp_path / "url")}
    settings = settings_of(context_of(sent(with_settings(INFO, both))))
    assert settings.database_url.get_secret_value() == url
    assert secret_files(Settings) == {"database_url": str(tmp_path / "url")}
