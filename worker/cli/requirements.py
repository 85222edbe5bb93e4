"""Checks of what a command needs before it runs, which report all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from worker.cli.databases import no_database
from worker.cli.errors import CommandError, ExitCode, code_of, report
from worker.config.partial import partial_settings
from worker.config.settings import Settings, variable_of
from worker.config.unknown import unknown_variables
from worker.env.group import SettingsInvalid
from worker.livekit_api.errors import check_url as check_livekit_url
from worker.operations.errors import LiveKitNotConfigured
from worker.operations.interviews import livekit_client
from worker.store.url import check_url as check_database_url

#: Function that raises an error of the project if something is missing or wrong. The result of the
#: function is ignored.
Check: TypeAlias = Callable[[Settings], object]


def load_settings(*checks: Check) -> Settings:
    """Return the settings, once they are valid and all checks have passed.

    If settings are invalid, the checks get `partial_settings`, so that the user learns of every
    problem at once. A single problem is raised as its own error. Several problems are raised as a
    CommandError with one line for each, invalid settings first, and with the exit code of the first
    problem.
    """
    problems: list[Exception] = []
    unusable: frozenset[str] = frozenset()
    try:
        settings = Settings.load()
    except SettingsInvalid as invalid:
        problems.append(invalid)
        unusable = invalid.variables
        settings = partial_settings(invalid)
    problems += _problems(settings, checks, unusable)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise CommandError("\n".join(map(str, problems)), code_of(problems[0]) or ExitCode.FAILED)
    return settings


def _problems(
    settings: Settings, checks: tuple[Check, ...], unusable: frozenset[str]
) -> Iterator[Exception]:
    """Yield the problems that the checks find. The variables in `unusable` have invalid values."""
    for check in checks:
        if check is has_database and variable_of("database_url") in unusable:
            continue
        try:
            check(settings)
        except LiveKitNotConfigured as error:
            if missing := [name for name in error.missing if name not in unusable]:
                yield LiveKitNotConfigured(missing)
        except Exception as error:
            if code_of(error) is None:
                raise
            yield error


def has_livekit(settings: Settings) -> None:
    """Check, without a network call, the URL, the key and the secret of the LiveKit server.

    Raises LiveKitNotConfigured or LiveKitUrlInvalid.
    """
    check_livekit_url(livekit_client(settings).url)


def has_database(settings: Settings) -> None:
    """Check, without a connection, that a worker has a database.

    Raises CommandError if no database is configured, and DatabaseUrlInvalid if the URL is invalid.
    """
    if not settings.database_url.get_secret_value() and not settings.embedded:
        raise no_database(settings)
    has_valid_database_url(settings)


def has_valid_database_url(settings: Settings) -> None:
    """Check DATABASE_URL and INTERVIEW_DATABASE_JOB_URL, if set. Raises DatabaseUrlInvalid."""
    for secret in (settings.database_url, settings.database_job_url):
        if url := secret.get_secret_value():
            check_database_url(url)


def report_unknown_variables() -> None:
    """Print a line for each variable that begins with INTERVIEW_ and is no setting."""
    for variable in unknown_variables():
        report(str(variable))
