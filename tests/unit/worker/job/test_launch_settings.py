"""Settings that a job gets with its launch instead of from its environment."""

from __future__ import annotations

import inspect
from io import BytesIO
from types import SimpleNamespace
from typing import cast

from livekit.agents import JobContext
from livekit.agents.ipc import proto
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.protocol import agent

from tests.support.virtual.job_parts import fake_context
from worker.job.launch_settings import given_settings, with_settings

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
