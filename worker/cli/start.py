"""`interview-worker start`: run a worker until a signal stops it."""

from __future__ import annotations

import logging
import os

from dotenv import dotenv_values

from worker.cli.common import CommandError, ExitCode, database_url, run
from worker.config.settings import Settings
from worker.job.application import ApplicationInvalid, load_application
from worker.operations.interviews import livekit_access
from worker.telemetry.logs import configure_logs

logger = logging.getLogger(__name__)


def start() -> None:
    """Run a worker, which takes interviews until SIGTERM or Ctrl-C.

    The first SIGTERM drains: the worker takes no new interviews, and running ones may finish
    within INTERVIEW_DRAIN_S. The second hands the running interviews over to other workers. The
    third ends them, with a closing message to each candidate.
    """
    run(_start())


async def _start() -> None:
    settings = Settings.load()
    _pin_settings()
    configure_logs(settings)
    for line in settings.left_out():
        logger.warning("%s", line)
    livekit_access(settings)
    _check_application(settings)
    _check_data_dir(settings)
    async with database_url(settings, embedded=settings.embedded) as url:
        # Job processes read their settings from the environment.
        os.environ["DATABASE_URL"] = url
        await serve(Settings.load())


async def serve(settings: Settings) -> None:
    """Run a worker; its settings are complete, and in the environment for its job processes."""
    # Imported here: importing livekit-agents takes a second, and --help does not need it.
    from worker.server.observability import HostUnusable, PortTaken
    from worker.server.watchdog import ProcessWatchdog
    from worker.server.worker import Worker

    try:
        with ProcessWatchdog() as last_resort:
            await Worker(settings, on_stop=last_resort.end_after).run()
    except PortTaken as error:
        raise CommandError(str(error), ExitCode.TAKEN) from error
    except HostUnusable as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def _check_application(settings: Settings) -> None:
    try:
        load_application(settings.application)
    except ApplicationInvalid as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def _check_data_dir(settings: Settings) -> None:
    try:
        settings.journal_dir.mkdir(parents=True, exist_ok=True)
        probe = settings.journal_dir / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CommandError(
            f"cannot write to {settings.data_dir} ({error.strerror}); "
            "set INTERVIEW_DATA_DIR to a folder that can be written",
            ExitCode.TAKEN,
        ) from error


def _pin_settings() -> None:
    """Copy the variables of `.env` into the environment; variables that are set there stay.

    Names without a value are skipped. Job processes read the settings again: a later edit of the
    file must not give them other settings than the worker's.
    """
    for name, value in dotenv_values(".env").items():
        if value is not None:
            os.environ.setdefault(name, value)
