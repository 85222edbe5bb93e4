"""What runs in a job's process: its set-up, its entrypoint, and how it ends.

Both functions are found by their names in a forked process, so they live at module level.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from multiprocessing import util
from typing import TYPE_CHECKING, Final

from livekit.agents import JobContext, JobProcess

from states import Outcome
from worker import faults
from worker.apology import Apology
from worker.application import ApplicationInvalid, Dispatch, load_application
from worker.heartbeat import heartbeat
from worker.job import Job
from worker.job_signals import HANDOVER_SIGNAL, SHUTDOWN_SIGNAL
from worker.local_stage import LocalStage
from worker.loop_guard import LoopGuard
from worker.settings import Settings, SettingsInvalid
from worker.speech import local_models
from worker.stage import RoomStage
from worker.telemetry.logs import redact_job_logs

if TYPE_CHECKING:
    from worker.application import Application

logger = logging.getLogger(__name__)

#: Seconds for the framework to end the process in its own way: a second or two (measured).
_EXITS_S = 15.0

#: A job process whose job failed exits with this; all other outcomes exit with 0.
FAILED_EXIT_CODE: Final = 1


class SetUpFailed(Exception):
    """A process could not be prepared for a job; the message is one line without data."""


def ignore_signals() -> None:
    """Make this process deaf to signals that are meant for the worker's main process.

    A process group, a cgroup or a terminal sends them to everybody. Under a forkserver the
    framework's own handlers never come to be: SIGTERM would kill a job in the middle of a
    sentence. The forkserver itself must be deaf as well: with it go the exit codes of its
    children, and the framework takes a living job for a dead one. It ends by itself with the
    last process that can ask it for children.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def set_up(_: JobProcess) -> None:
    """Prepare a process for the job that it will be given; runs before it has an event loop.

    Raises SetUpFailed where it could serve none: the worker takes no job until one can.
    """
    ignore_signals()
    # Until there is a job to hear them.
    for word in (SHUTDOWN_SIGNAL, HANDOVER_SIGNAL):
        signal.signal(word, signal.SIG_IGN)
    redact_job_logs()
    try:
        settings = Settings.load()
        faults.arm(settings.faults_to_set())
        faults.here("set_up")
        load_application(settings.application)
        _check_speech(settings)
    except SettingsInvalid as error:
        raise SetUpFailed("; ".join(error.problems)) from error
    except (ApplicationInvalid, faults.FaultInjected) as error:
        raise SetUpFailed(str(error)) from error
    except SetUpFailed:
        raise
    except Exception as error:
        # What foreign code says may quote anything: its kind has to do.
        raise SetUpFailed(type(error).__name__) from error


def _check_speech(settings: Settings) -> None:
    """Raise SetUpFailed where no job could hear or speak: all it has is local, and is broken.

    Where the fork carries the models this takes no time.
    """
    if not settings.usable("stt") == settings.usable("tts") == ("local",):
        return
    deaf = _load_problem(stt=True)
    mute = _load_problem(tts=True) if deaf else None
    if deaf and mute:
        raise SetUpFailed(f"there is no speech: {deaf}; {mute}")


def _load_problem(*, stt: bool = False, tts: bool = False) -> str | None:
    """Why a local model does not load, if so."""
    try:
        local_models.preload(stt=stt, tts=tts)
    except (local_models.LocalSpeechUnavailable, local_models.LocalSpeechFailed) as error:
        return str(error)
    return None


async def entrypoint(ctx: JobContext) -> None:
    """One job: make its application, live its life, and end the process accordingly."""
    outcome = Outcome.FAILED
    try:
        outcome = await _live(ctx)
    finally:
        _exit_with(FAILED_EXIT_CODE if outcome is Outcome.FAILED else 0)
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
    app = _make_application(dispatch, settings)
    ctx.log_context_fields = {
        "job_id": ctx.job.id,
        "room": ctx.job.room.name,
        "interview_id": None,
        **app.header(),
    }
    stage = LocalStage if here else RoomStage
    return await _held_to_its_end(ctx, Job(ctx, app, settings, make_stage=stage))


def _make_application(dispatch: Dispatch, settings: Settings) -> Application:
    """The application that the settings name; where it cannot be made, one that says sorry."""
    try:
        app = load_application(settings.application)(dispatch, settings)
        app.header()  # asked for before there is a job that could say sorry
    except Exception as error:
        return Apology(error)
    return app


async def _held_to_its_end(ctx: JobContext, job: Job) -> Outcome:
    """Live the job's life, and keep the framework from ending the process before it is over.

    Once the main process is gone the framework cancels every task of the event loop, the
    lifecycle's, the session's and the room's among them: nobody could say goodbye, leave, or
    write down the end. Before that it cancels the context's pending tasks and waits for them
    (ipc/job_proc_lazy_main.py, _run_job_task): here that is the word to end the job.
    """
    over = asyncio.Event()

    async def hold() -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                job.given_up()

    holding = asyncio.create_task(hold(), name="hold-the-framework")
    ctx._track_pending_task(holding, name="the job's life")  # it has no public face
    try:
        with LoopGuard(job):
            async with heartbeat(job.life.journal):
                return await job.live()
    finally:
        over.set()


def _exit_with(code: int) -> None:
    """Let the framework end the process in its own way, but with this exit code.

    It exits 0 whatever happened in the job, hangs on sys.exit, and loses the last log lines on
    os._exit. A finalizer of multiprocessing runs when all of that is done, and before Python
    waits for its threads: one that hangs in a model would keep the process for ever. So would
    the framework itself, which waits for a room that no network leads to: not for long.
    """
    util.Finalize(None, os._exit, args=(code,), exitpriority=-1000)
    latest = threading.Timer(_EXITS_S, os._exit, args=(code,))
    latest.daemon = True
    latest.start()
