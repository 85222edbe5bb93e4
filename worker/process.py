"""What runs in a job's process: its set-up, its entrypoint, and how it ends.

Both functions are found by their names in a forked process, so they live at module level.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
from multiprocessing import util
from typing import TYPE_CHECKING, Final, cast

from livekit.agents import JobContext, JobProcess

from states import Outcome
from worker.application import ApplicationFactory, Dispatch
from worker.job import WORKERS_WORD, Job
from worker.local_stage import LocalStage
from worker.settings import Settings
from worker.stage import RoomStage
from worker.telemetry.logs import redact_job_logs

if TYPE_CHECKING:
    from worker.application import Application

logger = logging.getLogger(__name__)

#: Names the application of this worker's jobs, as "module:attribute".
APPLICATION_VARIABLE: Final = "INTERVIEW_APPLICATION"
DEFAULT_APPLICATION: Final = "worker.interview.application:InterviewApplication"

#: A job process whose job failed exits with this; all other outcomes exit with 0.
FAILED_EXIT_CODE: Final = 1


def set_up(_: JobProcess) -> None:
    """Make the process deaf to signals that are not its worker's word.

    Under a forkserver the framework's own handlers never come to be: a SIGTERM to the process
    group would kill a job in the middle of a sentence.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, WORKERS_WORD):
        signal.signal(number, signal.SIG_IGN)
    redact_job_logs()


async def entrypoint(ctx: JobContext) -> None:
    """One job: make its application, live its life, and end the process accordingly."""
    outcome = Outcome.FAILED
    try:
        outcome = await _live(ctx)
    finally:
        if outcome is Outcome.FAILED:
            _exit_with(FAILED_EXIT_CODE)
        # Without this the framework would keep the process for ever.
        ctx.shutdown(reason=outcome.value)


async def _live(ctx: JobContext) -> Outcome:
    settings = Settings.load()
    here = ctx.is_fake_job()  # the framework's word for a job that no LiveKit sent
    dispatch = Dispatch(
        job_id=ctx.job.id,
        room=ctx.job.room.name,
        # Such a job carries no metadata of its own, but its room does.
        metadata=ctx.job.room.metadata if here else ctx.job.metadata,
    )
    app: Application = _application()(dispatch, settings)
    ctx.log_context_fields = {
        "job_id": ctx.job.id,
        "room": ctx.job.room.name,
        "interview_id": None,
        **app.header(),
    }
    stage = LocalStage if here else RoomStage
    return await Job(ctx, app, settings, make_stage=stage).live()


def _application() -> ApplicationFactory:
    module, _, attribute = os.environ.get(APPLICATION_VARIABLE, DEFAULT_APPLICATION).partition(":")
    return cast(ApplicationFactory, getattr(importlib.import_module(module), attribute))


def _exit_with(code: int) -> None:
    """Let the framework end the process in its own way, but with this exit code.

    It exits 0 whatever happened in the job, hangs on sys.exit, and loses the last log lines on
    os._exit. A finalizer of multiprocessing runs when all of that is done.
    """
    util.Finalize(None, os._exit, args=(code,), exitpriority=-1000)
