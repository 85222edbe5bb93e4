"""Code that runs in a job's process: set-up, entrypoint, and exit.

A forked process finds `set_up` and `entrypoint` by name, so both are module-level functions.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from functools import partial
from multiprocessing import util
from typing import Final

from livekit.agents import JobContext, JobProcess

from states import Outcome, check_ends
from worker import faults
from worker.config.settings import Settings
from worker.env.group import SettingsInvalid
from worker.env.proxies import tell_sdk
from worker.env.secret_files import forget_values_beside_files
from worker.job.application import (
    Application,
    ApplicationInvalid,
    Declared,
    Dispatch,
    ends_of,
    load_application,
)
from worker.job.fallback_application import FailedApplication
from worker.job.job import Job
from worker.job.launch_settings import settings_of
from worker.job.signals import HANDOVER_SIGNAL, SHUTDOWN_SIGNAL
from worker.job.stall_guard import StallGuard
from worker.journal.heartbeat import heartbeat
from worker.livekit_api.data_right import take_data_right
from worker.livekit_api.job_access import JOB_ACCESS, METADATA_KEY, ROOM_TOKEN, JobAccess
from worker.speech import local_models
from worker.telemetry.logs import redact_job_logs
from worker.transport.livekit_room import LiveKitTransport

#: Maximum seconds for the exit steps of the framework, which take one or two seconds (measured).
#: After this time the process is ended even if the steps hang.
_EXITS_S = 15.0

#: Exit code of a process whose job failed. All other outcomes exit with 0.
FAILED_EXIT_CODE: Final = 1


class SetUpFailed(Exception):
    """Raised if a process cannot be prepared for a job.

    The message is one line without personal data.
    """


def ignore_signals() -> None:
    """Ignore signals that are meant for the worker's main process.

    A signal such as SIGTERM is often sent to a whole process group, cgroup or terminal, and then
    also reaches the processes of jobs. The framework installs no signal handlers in processes of a
    forkserver, so SIGTERM would kill a job in the middle of a sentence. The forkserver must ignore
    these signals as well. If the forkserver died, the exit codes of its children would be lost, and
    the framework would treat running jobs as dead. The forkserver exits by itself once no process
    is left that can request children from it.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def set_up(_: JobProcess) -> None:
    """Prepare a process for its job. Runs before the process has an event loop.

    Raises SetUpFailed if the process could run no job. The worker takes no job while it has no
    prepared process and cannot prepare one.
    """
    ignore_signals()
    # Ignore the two signals that a worker sends to jobs until the job installs handlers for them.
    for word in (SHUTDOWN_SIGNAL, HANDOVER_SIGNAL):
        signal.signal(word, signal.SIG_IGN)
    redact_job_logs()
    logging.getLogger("livekit.agents").addFilter(_is_reported)
    forget_values_beside_files(Settings)
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
        # A foreign error message may quote any data, so only the error's type is shown.
        raise SetUpFailed(type(error).__name__) from error


def _is_reported(record: logging.LogRecord) -> bool:
    """Return False for the framework's log record about traces that LiveKit Cloud does not get.

    On LiveKit Cloud, the framework fails to set up tracing for each job, because tracing needs the
    API secret, which a job does not have.
    """
    return record.msg != "failed to prepare the cloud trace pipeline"


def _check_speech(settings: Settings) -> None:
    """Raise SetUpFailed if only local speech is configured, and neither STT nor TTS loads.

    The check takes no time if the forkserver has loaded the models.
    """
    if not settings.usable("stt") == settings.usable("tts") == ("local",):
        return
    deaf = _load_problem(stt=True)
    mute = _load_problem(tts=True) if deaf else None
    if deaf and mute:
        raise SetUpFailed(f"neither STT nor TTS is available: {deaf}; {mute}")


def _load_problem(*, stt: bool = False, tts: bool = False) -> str | None:
    """Return why a local model does not load; None if the model loads."""
    try:
        local_models.preload(stt=stt, tts=tts)
    except (local_models.LocalSpeechUnavailable, local_models.LocalSpeechFailed) as error:
        return str(error)
    return None


async def entrypoint(ctx: JobContext) -> None:
    """Run one job: create its application, run its lifecycle, and set the exit code."""
    outcome = Outcome.FAILED
    try:
        outcome = await _live(ctx)
    finally:
        _exit_with(FAILED_EXIT_CODE if outcome is Outcome.FAILED else 0)
        # Without this call the framework would keep the process forever.
        ctx.shutdown(reason=outcome.value)


async def _live(ctx: JobContext) -> Outcome:
    settings = settings_of(ctx)
    access = _access_of(ctx, settings)
    tell_sdk(settings.livekit_url)
    dispatch = Dispatch(
        job_id=ctx.job.id, room=ctx.job.room.name, metadata=ctx.job.metadata, access=access
    )
    app = _make_application(dispatch, settings)
    ctx.log_context_fields = {
        "job_id": ctx.job.id,
        "room": ctx.job.room.name,
        "interview_id": None,
        **app.header(),
    }
    make_transport = partial(LiveKitTransport, take_data_right=partial(_take_data_right, access))
    async with access.kept_valid():
        return await _held_to_its_end(ctx, Job(ctx, app, settings, make_transport=make_transport))


async def _take_data_right(access: JobAccess, identity: str) -> None:
    """Take away a participant's right to publish data. Raises LiveKitError if that fails."""
    await take_data_right(access.livekit, room=access.room, identity=identity)


def _access_of(ctx: JobContext, settings: Settings) -> JobAccess:
    """Return the access to LiveKit's API that the main process gives this job.

    The access is also stored in the user data of the process, for modules that get only the
    `JobContext`.
    """
    given = ctx.job.attributes
    access = JobAccess(
        settings.livekit_url,
        room=ctx.job.room.name,
        token=given.get(ROOM_TOKEN, ""),
        metadata_key=given.get(METADATA_KEY, ""),
        worker=ctx.inference_executor,
    )
    ctx.proc.userdata[JOB_ACCESS] = access
    return access


def _make_application(dispatch: Dispatch, settings: Settings) -> Application:
    """Create the configured application; if that fails, create one that only apologises."""
    words = Application.failed_words
    try:
        factory = load_application(settings.application)
        words = Declared(factory).failed_words
        app = factory(dispatch, settings)
        # Make these two calls here, although the job's constructor repeats them, because an error
        # in the constructor would come too late for an apology.
        app.header()
        check_ends(ends_of(app))
    except Exception as error:
        return FailedApplication(error, words)
    return app


async def _held_to_its_end(ctx: JobContext, job: Job) -> Outcome:
    """Run the job, and keep the framework from ending the process before the job is over.

    Once the main process is gone, the framework cancels every task of the event loop, including
    those of the lifecycle, the session and the room, so that the job could not say goodbye, leave
    the room, or record its end. Before that, the framework cancels the pending tasks of the
    JobContext and waits until these tasks have ended (ipc/job_proc_lazy_main.py, _run_job_task).
    This function registers a pending task, whose cancellation makes the job hand over its interview
    or end.
    """
    over = asyncio.Event()

    async def hold() -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                job.given_up()

    holding = asyncio.create_task(hold(), name="hold-the-framework")
    # Private: no public method of the framework does this.
    ctx._track_pending_task(holding, name="the job's life")
    try:
        with StallGuard(job):
            async with heartbeat(job.life.journal):
                return await job.live()
    finally:
        over.set()


def _exit_with(code: int) -> None:
    """Let the framework end the process in its own way, but with the exit code `code`.

    The framework exits with 0 whatever happened in the job, hangs on sys.exit, and loses the last
    log lines on os._exit. Therefore this function registers a finalizer of multiprocessing, which
    ends the process. The finalizer runs after the framework's own exit steps, and before Python
    waits for threads, because a thread that hangs in a model would keep the process forever. The
    framework may also hang while it waits for an unreachable room, so a timer limits the time of
    the exit.
    """
    util.Finalize(None, os._exit, args=(code,), exitpriority=-1000)
    latest = threading.Timer(_EXITS_S, os._exit, args=(code,))
    latest.daemon = True
    latest.start()
