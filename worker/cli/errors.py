"""Exit codes of the commands, and how a command reports an error. Imports no part of the worker."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NoReturn

import typer

#: Beginning of every line about the command itself on standard error.
PREFIX: Final = "interview-worker: "
#: Maximum number of lines of one message: a plan of 500 questions may have a problem in each.
MOST_LINES: Final = 50


class ExitCode(IntEnum):
    """Exit codes of the commands. docs/reference/commands.md lists the same codes."""

    OK = 0
    #: A failure that has no exit code of its own.
    FAILED = 1
    #: The command line, a setting or a plan is wrong, so another attempt will not help.
    USAGE = 2
    #: There is no such interview, job or file.
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


def report(message: str) -> None:
    """Print a message on standard error, each line with the prefix of this program.

    At most `MOST_LINES` lines are printed, and then the number of the others.
    """
    lines = message.split("\n")
    for line in lines[:MOST_LINES]:
        typer.echo(f"{PREFIX}{line}", err=True)
    if (left := len(lines) - MOST_LINES) > 0:
        typer.echo(f"{PREFIX}problems that are not shown: {left}", err=True)


def fail(message: str, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Print the message on standard error and exit with `code`."""
    report(message)
    raise typer.Exit(int(code))
