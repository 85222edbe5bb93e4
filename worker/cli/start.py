"""`interview-worker start`: run a worker until a signal stops it."""

from __future__ import annotations

import contextlib
import logging
import os

from worker.cli.common import CommandError, ExitCode, run
from worker.cli.databases import database_url
from worker.cli.requirements import has_database, has_livekit, load_settings
from worker.config.settings import Settings, dotenv_variables, variable_of
from worker.config.unknown import unknown_variables
from worker.env.container import capacity
from worker.env.env_file import chosen_file, is_passed_over
from worker.env.proxies import registration_obstacle, sdk_obstacle
from worker.env.surroundings import ensure_home, ensure_temp_folder, unknown_home
from worker.job.application import load_application
from worker.providers.registry import VENDORS
from worker.server.port_probe import bind_once
from worker.server.readiness import write_probe
from worker.server.user import missing_user_name
from worker.telemetry.logs import configure_logs

logger = logging.getLogger(__name__)


def start() -> None:
    """Run a worker, which takes interviews until SIGTERM or Ctrl-C.

    After the first SIGTERM the worker takes no new interviews, and running interviews may finish
    within INTERVIEW_DRAIN_S. The second SIGTERM hands the running interviews over to other workers.
    The third SIGTERM ends the interviews, with a closing message to each candidate.

    If anything that a worker needs is missing, all problems are printed, one per line. The first
    problem decides the exit code: 2 for settings, LiveKit, the application and the database, 6 for
    the data folder and the HTTP port.
    """
    run(_start())


async def _start() -> None:
    _pin_settings()
    settings = load_settings(
        _begin_logs,
        has_livekit,
        _check_own_application,
        _check_data_dir,
        _check_user,
        has_database,
        _check_port,
    )
    _limit_threads()
    load_application(settings.application)
    async with database_url(settings, embedded=settings.embedded) as url:
        # Check the URLs here and keep them unchanged in the settings, because `rotation` compares
        # each URL with the content of its file.
        own = settings.database_url.get_secret_value()
        await serve(settings if own else Settings.load(DATABASE_URL=url))


async def serve(settings: Settings) -> None:
    """Run a worker until it is stopped.

    Except for the URLs of the database, which each job gets with its launch, the settings must also
    be in the environment, because the job processes read their settings from the environment.
    """
    # Import here and not at the top: the imports include livekit-agents and take a second, which
    # --help must not take.
    from worker.server.observability import HostUnusable, PortTaken
    from worker.server.watchdog import ProcessWatchdog
    from worker.server.worker import Worker

    _report_opt_outs(settings)
    _report_proxy(settings)
    try:
        with ProcessWatchdog() as last_resort:
            await Worker(settings, on_stop=last_resort.end_after).run()
    except PortTaken as error:
        raise CommandError(str(error), ExitCode.TAKEN) from error
    except HostUnusable as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def _report_opt_outs(settings: Settings) -> None:
    """Warn of providers that are used although they refuse the privacy opt-out.

    The warning is based on the refusals that jobs have recorded within the last day. No provider is
    asked now, because each request costs money.
    """
    # Import here and not at the top, because this import takes a second.
    from worker.resources.chains import refused_opt_outs

    for kind, name in refused_opt_outs(settings):
        opt_out = VENDORS[name].opt_out
        logger.warning(
            "provider %s of %s refuses requests that ask it %s; the worker uses it without "
            "asking for that",
            name,
            variable_of(kind),
            opt_out.asks if opt_out is not None else "",
            extra={"event": "provider_used_without_opt_out"},
        )


def _report_proxy(settings: Settings) -> None:
    """Warn if the proxy for LIVEKIT_URL does not suit the SDK or the worker's registration."""
    url = settings.livekit_url
    if obstacle := sdk_obstacle(url) or registration_obstacle(url):
        logger.warning(
            "LIVEKIT_URL is reached through a proxy: %s; `doctor` says what to do",
            obstacle,
            extra={"event": "proxy_insufficient"},
        )


def _begin_logs(settings: Settings) -> None:
    """Configure the logs, and warn of settings that have no effect."""
    configure_logs(settings)
    if (path := chosen_file()) is not None:
        logger.info(
            "settings are also read from the file that INTERVIEW_ENV_FILE names: %s",
            path,
            extra={"event": "env_file_read"},
        )
    elif is_passed_over():
        logger.warning(
            "the file .env of the working folder is not read, because INTERVIEW_ENV_FILE does not "
            "name it",
            extra={"event": "env_file_not_read"},
        )
    for variable in unknown_variables():
        logger.warning(
            "a variable is not a setting and has no effect: %s (%s)",
            variable.name,
            variable.advice,
            extra={"event": "unknown_variable"},
        )
    for line in settings.left_out():
        logger.warning(
            "the worker starts without a provider: %s", line, extra={"event": "provider_left_out"}
        )


def _check_own_application(settings: Settings) -> None:
    # The default application is not checked: loading it takes seconds, and cannot fail because of a
    # setting.
    if settings.application != Settings.model_fields["application"].default:
        load_application(settings.application)


def _check_data_dir(settings: Settings) -> None:
    if (problem := unknown_home(settings.data_dir)) is not None:
        raise CommandError(
            f"{problem}; set INTERVIEW_DATA_DIR to a folder that can be written", ExitCode.TAKEN
        )
    # Write an empty file, because a worker must also start on a full disk: it takes no jobs at
    # first, and frees space by removing old journals.
    if problem := write_probe(settings.journal_dir, size=0):
        raise CommandError(
            f"{problem}; set INTERVIEW_DATA_DIR to a folder that can be written", ExitCode.TAKEN
        )
    ensure_home(settings.data_dir)
    if (problem := ensure_temp_folder(settings.data_dir / "tmp")) is not None:
        raise CommandError(problem, ExitCode.TAKEN)


def _check_user(settings: Settings) -> None:
    """Check that this process's user has a name, if the settings need a user name."""
    if (problem := missing_user_name(settings)) is not None:
        raise CommandError(problem, ExitCode.USAGE)


def _limit_threads() -> None:
    """Let numpy's libraries start no more threads than the container has processors.

    By default the libraries start one thread for each processor of the machine, in every process.
    The limits are environment variables, which job processes inherit. A variable that is already
    set is not changed.
    """
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, str(capacity().threads))


def _check_port(settings: Settings) -> None:
    """Check that the HTTP servers will be able to bind their addresses."""
    from worker.server.observability import PortTaken, listening_addresses, unusable

    for address in listening_addresses(settings):
        try:
            bind_once(address.host, address.port)
        except OSError as error:
            problem = unusable(address.host, address.port, error, prefix=address.prefix)
            code = ExitCode.TAKEN if isinstance(problem, PortTaken) else ExitCode.USAGE
            raise CommandError(str(problem), code) from error


def _pin_settings() -> None:
    """Copy the variables of the settings file into the environment, unless they are already set.

    Names are compared without case, because pydantic-settings ignores case. If two names differ
    only in case, the variable that was set last is used.

    Variables without a value, or with a value that no environment can hold, are skipped, because
    `load_settings` reports them. Job processes read the settings when they start, and the copied
    variables give them the worker's settings even if the file is changed later.
    """
    given = {name.upper() for name in os.environ}
    for name, value in dotenv_variables().items():
        if value is None or name.upper() in given or "\0" in name + value or "=" in name:
            continue
        # Skip a value that the encoding of the environment cannot express. The job processes read
        # such a variable from the file.
        with contextlib.suppress(UnicodeEncodeError):
            os.environ[name] = value
