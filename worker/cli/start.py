"""`interview-worker start`: run a worker until it is told to stop."""

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
    """Run a worker: it takes interviews until SIGTERM, then finishes those that run.

    A second SIGTERM ends them at once, with a word to each candidate.
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
    """Run a worker whose settings are complete and in the environment."""
    # Not at the top: importing livekit's agents takes a second, which --help need not.
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
    """Put what `.env` says into the environment, where it says something else than nothing.

    Job processes read their settings anew: an edit of
    the file must not give them others than the worker began with.
    """
    for name, value in dotenv_values(".env").items():
        if value is not None:
            os.environ.setdefault(name, value)
