"""How a job's process ends, in real processes forked as the framework forks them."""

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
from async_steps import for_ever
from job_parts import FakeStage, TinyApplication, fake_context

from states import Event, History, Outcome, Reason
from states.testing import assert_outcome
from worker import process
from worker.job import WORKERS_WORD, Job
from worker.process import APPLICATION_VARIABLE, FAILED_EXIT_CODE, entrypoint, set_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from livekit.agents import JobContext, JobProcess

    from worker.application import Dispatch
    from worker.settings import Settings

#: Generous: a process imports the worker, on a machine that does other things.
ENDS_WITHIN_S = 60.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="job processes are forked")


# --- what runs in the process -------------------------------------------------------------------


def application_that(end: str) -> Callable[[Dispatch, Settings], TinyApplication]:
    """A factory of applications that end in one way."""

    async def run(running: Job) -> None:
        if end == "raises":
            raise ValueError("a mistake of the application's")
        if end == "waits":
            os.kill(os.getpid(), WORKERS_WORD)
            await for_ever()
        if end == "is stopped by a stranger":
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(os.getpid(), number)
        await running.life.fire(Event.INTERVIEW_COMPLETED)

    return lambda _dispatch, _settings: TinyApplication(on_run=run)


completes = application_that("completes")
raises = application_that("raises")
waits = application_that("waits")
is_stopped_by_a_stranger = application_that("is stopped by a stranger")


def cannot_be_made(_dispatch: Dispatch, _settings: Settings) -> TinyApplication:
    raise RuntimeError("no application")


def one_job(application: str, folder: str, said: Any) -> None:
    """A job process's life: set up, one entrypoint, and out; `said` gets what livekit is told."""
    os.environ[APPLICATION_VARIABLE] = f"test_process:{application}"
    os.environ["INTERVIEW_DATA_DIR"] = folder
    set_up(cast("JobProcess", None))

    process.RoomStage = FakeStage  # type: ignore[assignment, attr-defined]  # no room here
    told = SimpleNamespace(
        **vars(fake_context()), is_fake_job=lambda: False, shutdown=lambda reason: said.put(reason)
    )
    try:
        asyncio.run(entrypoint(cast("JobContext", told)))
    except RuntimeError:
        logging.getLogger().info("the framework logs this")


# --- the tests ----------------------------------------------------------------------------------


class Ended:
    """A process that has ended."""

    def __init__(self, exit_code: int | None, said: list[str], folder: Path) -> None:
        self.exit_code = exit_code
        self.said = said
        self.journal = folder / "journals" / "AJ_test.jsonl"


@pytest.fixture
def run_job(tmp_path: Path) -> Callable[[str], Ended]:
    """Runs a job with an application of this module's, in a process of its own."""

    def run(application: str) -> Ended:
        context = multiprocessing.get_context("forkserver")
        # As for real: what jobs need is imported once, before the fork.
        context.set_forkserver_preload(["worker.process", "job_parts"])
        said = context.SimpleQueue()
        child = context.Process(target=one_job, args=(application, str(tmp_path), said))
        child.start()
        child.join(ENDS_WITHIN_S)
        assert child.exitcode is not None, "it has ended by itself"
        words = []
        while not said.empty():
            words.append(said.get())
        said.close()
        ended = Ended(child.exitcode, words, tmp_path)
        child.close()
        return ended

    return run


def test_a_job_that_went_well_exits_with_0(run_job: Callable[[str], Ended]) -> None:
    ended = run_job("completes")
    assert ended.exit_code == 0
    assert ended.said == [Outcome.COMPLETED.value]
    assert_outcome(ended.journal, Outcome.COMPLETED)


def test_a_job_that_failed_exits_with_1(run_job: Callable[[str], Ended]) -> None:
    """The framework by itself would exit with 0."""
    ended = run_job("raises")
    assert ended.exit_code == FAILED_EXIT_CODE == 1
    assert ended.said == [Outcome.FAILED.value]
    assert_outcome(ended.journal, Outcome.FAILED, Reason.JOB_CRASHED)


def test_a_job_that_the_worker_ended_exits_with_0(run_job: Callable[[str], Ended]) -> None:
    ended = run_job("waits")
    assert ended.exit_code == 0
    assert_outcome(ended.journal, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)


def test_a_job_does_not_mind_signals_that_are_not_its_workers_word(
    run_job: Callable[[str], Ended],
) -> None:
    ended = run_job("is_stopped_by_a_stranger")
    assert ended.exit_code == 0
    assert History.read(ended.journal).outcome is Outcome.COMPLETED


def test_a_job_whose_application_cannot_be_made_exits_with_1(
    run_job: Callable[[str], Ended],
) -> None:
    ended = run_job("cannot_be_made")
    assert ended.exit_code == FAILED_EXIT_CODE
    assert ended.said == [Outcome.FAILED.value]


def test_the_workers_word_is_not_a_signal_that_others_send() -> None:
    assert WORKERS_WORD not in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
