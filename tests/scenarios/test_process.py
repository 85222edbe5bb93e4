"""The end of a job's process, in real processes forked as the framework forks them."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.agents.ipc.job_proc_lazy_main import _JobProc
from livekit.agents.ipc.proto import StartJobRequest
from livekit.agents.job import JobAcceptArguments, JobExecutorType, JobProcess, RunningJobInfo
from livekit.agents.utils import aio
from livekit.protocol import agent, models

from states import Event, History, Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.virtual.async_steps import for_ever
from tests.support.virtual.job_parts import FakeStage, TinyApplication, fake_context
from worker.aio.tasks import cancel_and_wait
from worker.clips.recordings import ClipName
from worker.job import apology
from worker.job import entrypoint as entrypoint_module
from worker.job.entrypoint import FAILED_EXIT_CODE, entrypoint, set_up
from worker.job.handle import JobHandle
from worker.job.signals import SHUTDOWN_SIGNAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from livekit.agents import JobContext

    from worker.config.settings import Settings
    from worker.job.application import Dispatch

#: Signals that a process group, a terminal or an operator sends.
FOREIGN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

#: Generous: a process imports the worker on a busy machine.
ENDS_WITHIN_S = 60.0

THREAD = JobExecutorType.THREAD

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="job processes are forked")


# --- code that runs in the process --------------------------------------------------------------


def application_that(end: str) -> Callable[[Dispatch, Settings], TinyApplication]:
    """Return a factory of applications that end in one way."""

    async def run(running: JobHandle) -> None:
        if end == "raises":
            raise ValueError("a mistake of the application's")
        if end == "waits":
            os.kill(os.getpid(), SHUTDOWN_SIGNAL)
            await for_ever()
        if end == "is stopped by a stranger":
            for number in FOREIGN_SIGNALS:
                os.kill(os.getpid(), number)
        if end == "stops the forkserver":
            for number in FOREIGN_SIGNALS:
                os.kill(os.getppid(), number)
        await running.life.fire(Event.INTERVIEW_COMPLETED)

    return lambda _dispatch, _settings: TinyApplication(on_run=run)


completes = application_that("completes")
raises = application_that("raises")
waits = application_that("waits")
is_stopped_by_a_stranger = application_that("is stopped by a stranger")
stops_the_forkserver = application_that("stops the forkserver")


#: Set by a test that observes the job from inside the process.
watched: Callable[[Dispatch, Settings], TinyApplication]


def cannot_be_made(_dispatch: Dispatch, _settings: Settings) -> TinyApplication:
    raise RuntimeError("no application")


def one_job(application: str, folder: str, said: Any, heard: Any) -> None:
    """Run one job process: its set-up and one entrypoint.

    `said` gets the shutdown reasons given to livekit, `heard` the clips that were played.
    """
    os.environ["INTERVIEW_DATA_DIR"] = folder
    set_up(cast("JobProcess", None))
    # After set-up: a process whose application cannot be imported gets no job.
    os.environ["INTERVIEW_APPLICATION"] = f"{__name__}:{application}"

    stages: list[FakeStage] = []

    def make_transport(*arguments: Any, **_: object) -> FakeStage:
        stages.append(FakeStage(*arguments))
        return stages[-1]

    entrypoint_module.LiveKitTransport = make_transport  # type: ignore[attr-defined,assignment]  # no room here
    told = SimpleNamespace(
        **vars(fake_context()),
        shutdown=lambda reason: said.put(reason),
        _track_pending_task=lambda task, *, name: None,
    )
    try:
        asyncio.run(entrypoint(cast("JobContext", told)))
    except RuntimeError:
        logging.getLogger().info("the framework logs this")
    for clip in stages[0].line.played:
        heard.put(clip)


async def framework_life() -> None:
    """Run one job in the framework's own job runner, without a room and in this process."""
    held = _JobProc(lambda _: None, entrypoint, None, session_end_timeout=1, executor_type=THREAD)

    async def send(_: object) -> None: ...

    held._client = cast(Any, SimpleNamespace(send=send))
    held._inf_client = cast(Any, SimpleNamespace(close=lambda: None))
    held._job_proc = JobProcess(executor_type=THREAD, user_arguments=None, http_proxy=None)
    channel: aio.Chan[Any] = aio.Chan()
    request = StartJobRequest()
    request.running_job = RunningJobInfo(
        accept_arguments=JobAcceptArguments(name="", identity="", metadata=""),
        job=agent.Job(id="AJ_test", room=models.Room(name="room-1")),
        url="",
        token="",
        worker_id="",
        fake_job=True,
    )
    channel.send_nowait(request)
    await held.entrypoint(channel)


# --- the tests ----------------------------------------------------------------------------------


class Ended:
    """A process that has ended."""

    def __init__(
        self, exit_code: int | None, said: list[str], heard: list[str], folder: Path
    ) -> None:
        self.exit_code = exit_code
        self.said = said
        self.heard = heard
        self.journal = folder / "journals" / "AJ_test.jsonl"


def all_of(queue: Any) -> list[str]:
    """Drain and close a queue, and return its items."""
    words = []
    while not queue.empty():
        words.append(queue.get())
    queue.close()
    return words


@pytest.fixture
def run_job(tmp_path: Path) -> Callable[[str], Ended]:
    """Return a function that runs a job with an application of this module in its own process."""

    def run(application: str) -> Ended:
        context = multiprocessing.get_context("forkserver")
        # As in production, the jobs' modules are imported once, before the fork.
        context.set_forkserver_preload(["worker.job.preload", "job_parts"])
        said, heard = context.SimpleQueue(), context.SimpleQueue()
        child = context.Process(target=one_job, args=(application, str(tmp_path), said, heard))
        child.start()
        child.join(ENDS_WITHIN_S)
        assert child.exitcode is not None, "it has already ended"
        ended = Ended(child.exitcode, all_of(said), all_of(heard), tmp_path)
        child.close()
        return ended

    return run


@pytest.mark.row("C5")
def test_a_completed_job_exits_with_0(run_job: Callable[[str], Ended]) -> None:
    ended = run_job("completes")
    assert ended.exit_code == 0
    assert ended.said == [Outcome.COMPLETED.value]
    assert_outcome(ended.journal, Outcome.COMPLETED)


@pytest.mark.row("S11")
def test_a_job_that_failed_exits_with_1(run_job: Callable[[str], Ended]) -> None:
    """The framework alone would exit with 0."""
    ended = run_job("raises")
    assert ended.exit_code == FAILED_EXIT_CODE == 1
    assert ended.said == [Outcome.FAILED.value]
    assert_outcome(ended.journal, Outcome.FAILED, Reason.JOB_CRASHED)


def test_a_job_ended_by_its_worker_exits_with_0(run_job: Callable[[str], Ended]) -> None:
    ended = run_job("waits")
    assert ended.exit_code == 0
    assert_outcome(ended.journal, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)


def test_a_job_ignores_signals_other_than_its_workers_shutdown_signal(
    run_job: Callable[[str], Ended],
) -> None:
    ended = run_job("is_stopped_by_a_stranger")
    assert ended.exit_code == 0
    assert History.read(ended.journal).outcome is Outcome.COMPLETED


@pytest.mark.row("B3")
@pytest.mark.parametrize(
    ("application", "error"),
    [("cannot_be_made", "RuntimeError"), ("is_not_there", "ApplicationInvalid")],
)
def test_a_job_whose_application_cannot_be_created_apologises_and_exits_with_1(
    run_job: Callable[[str], Ended], application: str, error: str
) -> None:
    ended = run_job(application)
    assert ended.exit_code == FAILED_EXIT_CODE
    assert ended.said == [Outcome.FAILED.value]
    assert_path(ended.journal, "HANDSHAKE", "CONNECTED", "CLOSING", "CLOSED")
    assert_outcome(ended.journal, Outcome.FAILED, Reason.JOB_CRASHED)
    history = History.read(ended.journal)
    assert [(fault["where"], fault["error"]) for fault in history.faults] == [("job", error)]
    assert ended.heard == [apology.NAME], "the words of no other application"


async def test_a_job_without_its_worker_ends_before_the_framework_cancels_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[FakeStage] = []
    runs = asyncio.Event()

    async def run(_: JobHandle) -> None:
        runs.set()
        await for_ever()

    def make_transport(*arguments: Any, **_: object) -> FakeStage:
        stages.append(FakeStage(*arguments))
        return stages[-1]

    def application(_dispatch: Dispatch, _settings: Settings) -> TinyApplication:
        return TinyApplication(on_run=run, words_at_the_end=ClipName.CANNOT_GO_ON)

    monkeypatch.setattr(sys.modules[__name__], "watched", application, raising=False)
    monkeypatch.setattr(entrypoint_module, "LiveKitTransport", make_transport)
    monkeypatch.setattr(entrypoint_module, "_exit_with", lambda _code: None)
    monkeypatch.setenv("INTERVIEW_APPLICATION", f"{__name__}:watched")
    monkeypatch.setenv("INTERVIEW_DATA_DIR", str(tmp_path))
    life = asyncio.create_task(framework_life())
    async with asyncio.timeout(ENDS_WITHIN_S):
        await runs.wait()

    # The same as ipc/proc_client.py after the channel to the main process is closed.
    await cancel_and_wait(life)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)

    journal = tmp_path / "journals" / "AJ_test.jsonl"
    assert_path(journal, ..., "RUNNING", "CLOSING", "CLOSED")
    assert_outcome(journal, Outcome.FAILED, Reason.WORKER_LOST)
    assert [step.name for step in History.read(journal).steps if not step.ok] == []
    assert stages[0].did[-1] == "leave"
    assert stages[0].line.played == [ClipName.CANNOT_GO_ON]


def test_the_forkserver_ignores_signals_meant_for_the_worker(
    run_job: Callable[[str], Ended],
) -> None:
    """A dead forkserver would lose all exit codes, and the framework would drop the jobs."""
    assert run_job("stops_the_forkserver").exit_code == 0


def test_the_shutdown_signal_is_none_that_other_programs_send() -> None:
    assert SHUTDOWN_SIGNAL not in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
