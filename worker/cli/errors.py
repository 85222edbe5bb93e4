"""Exit codes of the commands, and how a command reports an error.

This module imports no module of the worker that takes time to import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Final, NoReturn

import typer

from worker.env.shown import on_one_line

#: Beginning of every line about the command itself on standard error.
PREFIX: Final = "interview-worker: "
#: Maximum number of lines that are printed of one message. A longer message is possible, because
#: each of the 500 questions of a plan may have a problem.
MOST_LINES: Final = 50


class ExitCode(IntEnum):
    """Exit codes of the commands. docs/reference/commands.md lists the same codes."""

    OK = 0
    #: Any failure for which this list has no other exit code.
    FAILED = 1
    #: The command line, a setting or a plan is wrong, so another attempt will not help.
    USAGE = 2
    #: There is no such interview, job or file, or no dialogue in a job.
    NOT_FOUND = 3
    #: LiveKit refused the key.
    LIVEKIT_REFUSED = 4
    #: LiveKit or the database is unavailable, so another attempt may help.
    UNAVAILABLE = 5
    #: A port or a name is in use, or a folder cannot be written.
    TAKEN = 6
    INTERRUPTED = 130


class CommandError(Exception):
    """Raised when a command fails. Each line of the message is one problem, and says what to do."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        self.code = code
        super().__init__(message)


#: Exit code of each error class of the project, by the import path of the class. The classes are
#: given as text, so that a command imports no part of the worker that it does not use. A test
#: imports every class.
CODES: Final[Mapping[str, ExitCode]] = {
    "worker.env.group.SettingsInvalid": ExitCode.USAGE,
    "worker.interview.plan.problems.PlanError": ExitCode.USAGE,
    "worker.job.application.ApplicationInvalid": ExitCode.USAGE,
    "worker.store.interview.InterviewIdInvalid": ExitCode.USAGE,
    "worker.store.url.DatabaseUrlInvalid": ExitCode.USAGE,
    "worker.livekit_api.errors.LiveKitUrlInvalid": ExitCode.USAGE,
    "worker.store.interview.InterviewExists": ExitCode.TAKEN,
    "worker.store.interview.InterviewErased": ExitCode.TAKEN,
    "worker.store.interview.RoomInUse": ExitCode.TAKEN,
    "worker.livekit_api.errors.LiveKitKeyRefused": ExitCode.LIVEKIT_REFUSED,
    "worker.livekit_api.errors.LiveKitError": ExitCode.UNAVAILABLE,
    "worker.store.errors.DatabaseOperationFailed": ExitCode.FAILED,
    "worker.store.errors.DatabaseError": ExitCode.UNAVAILABLE,
    "worker.store.embedded.layout.EmbeddedPostgresError": ExitCode.FAILED,
    "worker.store.schema.SchemaDiffers": ExitCode.FAILED,
    "worker.store.schema.MigrationChanged": ExitCode.FAILED,
    "states.journal.JournalError": ExitCode.FAILED,
    "worker.operations.errors.LiveKitNotConfigured": ExitCode.USAGE,
    "worker.operations.errors.InterviewNotFound": ExitCode.NOT_FOUND,
    "worker.operations.errors.JobNotFound": ExitCode.NOT_FOUND,
    "worker.operations.errors.InterviewerPresent": ExitCode.TAKEN,
    "worker.operations.errors.IdentityReserved": ExitCode.USAGE,
    "worker.operations.errors.OperationFailed": ExitCode.FAILED,
}
#: Import paths of the error classes that wrap another error. The exit code is that of the wrapped
#: error, the attribute `cause`.
_FAILED_BECAUSE: Final = frozenset(
    {
        "worker.operations.errors.InterviewNotCreated",
        "worker.operations.errors.InterviewNotRead",
    }
)


def code_of(error: BaseException) -> ExitCode | None:
    """Return the exit code for an error of the project; None for any other error.

    If CODES does not contain the class of the error, the code of the nearest base class in CODES is
    returned.
    """
    if isinstance(error, CommandError):
        return error.code
    for kind in type(error).__mro__:
        place = f"{kind.__module__}.{kind.__qualname__}"
        if place in _FAILED_BECAUSE:
            return code_of(error.__dict__["cause"])
        if place in CODES:
            return CODES[place]
    return None


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Report an error of the project on standard error, and exit with its code.

    The report has one line for each problem. An OSError, for example about an unreadable file, is
    reported in one line, with the exit code FAILED. An error of any other class is raised
    unchanged.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        raise  # the program that reads the output has ended, so typer ends the command silently
    except Exception as error:
        if (code := code_of(error)) is not None:
            fail(str(error), code)
        if not isinstance(error, OSError):
            raise
        fail(text_of(error))


def text_of(error: OSError) -> str:
    """Return an OSError in one line: the file, if it is known, and the reason."""
    place = f"{on_one_line(str(error.filename))}: " if error.filename is not None else ""
    return f"{place}{error.strerror or type(error).__name__}"


def report(message: str) -> None:
    """Print a message on standard error, each line with the prefix of this program.

    A character that is not printable is escaped, because it could control the terminal: a message
    may quote a file name, a setting or the answer of a server. If the message has more than
    `MOST_LINES` lines, only the first `MOST_LINES` lines and the number of omitted lines are
    printed.
    """
    lines = message.split("\n")
    for line in lines[:MOST_LINES]:
        typer.echo(f"{PREFIX}{on_one_line(line)}", err=True)
    if (left := len(lines) - MOST_LINES) > 0:
        typer.echo(f"{PREFIX}problems that are not shown: {left}", err=True)


def fail(message: str, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Print the message on standard error and exit with `code`."""
    report(message)
    raise typer.Exit(int(code))
