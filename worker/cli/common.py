"""Shared by all commands: exit codes, one-line errors, the database, and JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from states import JournalError
from worker.config.settings import Settings, SettingsInvalid
from worker.interview.plan.plan import PlanError
from worker.livekit_api.client import LiveKitError, LiveKitKeyRefused, LiveKitUrlInvalid
from worker.operations.errors import (
    InterviewerPresent,
    InterviewNotFound,
    JobNotFound,
    LiveKitNotConfigured,
    OperationFailed,
)
from worker.store.database import Database
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.embedded.layout import EmbeddedPostgresError
from worker.store.errors import DatabaseError, DatabaseOperationFailed
from worker.store.interviews import InterviewExists, InterviewIdInvalid
from worker.store.migrate import MIGRATE_BUDGET_S, MigrationChanged, SchemaDiffers, migrate
from worker.store.url import DatabaseUrlInvalid

T = TypeVar("T")

#: LiveKit accepts room names of up to 256 characters (limits.max_room_name_length).
_LONGEST_NAME = 200


class ExitCode(IntEnum):
    """Exit codes of the commands; the README has the same table."""

    OK = 0
    #: A failure that has no exit code of its own.
    FAILED = 1
    #: The command line, a setting or a plan is wrong: trying again will not help.
    USAGE = 2
    #: There is no such interview, job or file.
    NOT_FOUND = 3
    #: LiveKit refused the key.
    LIVEKIT_REFUSED = 4
    #: LiveKit or the database is unavailable: trying again may help.
    UNAVAILABLE = 5
    #: A port or a name is in use, or a folder cannot be written.
    TAKEN = 6
    INTERRUPTED = 130


class CommandError(Exception):
    """Raised when a command fails. The message is one line that says what to do."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        self.code = code
        super().__init__(message)


#: Exit code of each error class of the project; the first match counts.
_CODES: tuple[tuple[type[Exception], ExitCode], ...] = (
    (SettingsInvalid, ExitCode.USAGE),
    (PlanError, ExitCode.USAGE),
    (InterviewIdInvalid, ExitCode.USAGE),
    (DatabaseUrlInvalid, ExitCode.USAGE),
    (LiveKitUrlInvalid, ExitCode.USAGE),
    (InterviewExists, ExitCode.TAKEN),
    (LiveKitKeyRefused, ExitCode.LIVEKIT_REFUSED),
    (LiveKitError, ExitCode.UNAVAILABLE),
    (DatabaseOperationFailed, ExitCode.FAILED),
    (DatabaseError, ExitCode.UNAVAILABLE),
    (EmbeddedPostgresError, ExitCode.FAILED),
    (SchemaDiffers, ExitCode.FAILED),
    (MigrationChanged, ExitCode.FAILED),
    (JournalError, ExitCode.FAILED),
    (LiveKitNotConfigured, ExitCode.USAGE),
    (InterviewNotFound, ExitCode.NOT_FOUND),
    (JobNotFound, ExitCode.NOT_FOUND),
    (InterviewerPresent, ExitCode.TAKEN),
    (OperationFailed, ExitCode.FAILED),
)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn the project's errors into one line on standard error and an exit code."""
    try:
        yield
    except CommandError as error:
        fail(str(error), error.code)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except tuple(kind for kind, _ in _CODES) as error:
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        fail(str(error), code)


def fail(message: str, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Print the error and exit."""
    typer.echo(f"interview-worker: {message}", err=True)
    raise typer.Exit(int(code))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine with one-line errors."""
    with one_line_errors():
        return asyncio.run(work)


def print_json(value: Any) -> None:
    """Print JSON for a program to read; times as ISO 8601."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=_plain)
    sys.stdout.write("\n")


#: Row limit of a list; a worker's database may hold half a million rows.
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows.")]
DEFAULT_LIMIT = 100


def cut_to(rows: Sequence[T], limit: int) -> Sequence[T]:
    """Return the first `limit` rows; if there are more, print a note on standard error."""
    if len(rows) > limit:
        typer.echo(f"interview-worker: the newest {limit} are shown; --limit shows more", err=True)
    return rows[:limit]


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def write_out(data: bytes, output: Path | None) -> None:
    """Write a command's output to a file, or to standard output if `output` is None.

    Raises CommandError if the file cannot be written.
    """
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise CommandError(f"cannot write {output}: {error.strerror}") from error


@asynccontextmanager
async def database_url(settings: Settings, *, embedded: bool = True) -> AsyncIterator[str]:
    """Yield the URL of the configured database, or of an embedded one that runs for the block.

    If the embedded database was not requested, print a note on standard error: a worker with
    DATABASE_URL has its interviews in another database. Raises CommandError if DATABASE_URL is
    not set and an embedded database is not allowed.
    """
    url = settings.database_url.get_secret_value()
    if url:
        yield url
    elif embedded or settings.embedded:
        if not settings.embedded:
            typer.echo(
                f"interview-worker: using the embedded database in {settings.data_dir}; "
                "set DATABASE_URL to use another, or INTERVIEW_EMBEDDED=1 to hide this note",
                err=True,
            )
        async with await EmbeddedPostgres.start(settings.data_dir) as server:
            yield server.url
    else:
        raise CommandError(
            "no database is configured: set DATABASE_URL, or INTERVIEW_EMBEDDED=1 to run one here",
            ExitCode.USAGE,
        )


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Database]:
    """Yield an open, migrated database for one command.

    Raises DatabaseUnavailable if it does not answer within 5 s, and the errors of `migrate`.
    """
    # The command's one-line error replaces the log message of each retry.
    logging.basicConfig(level=logging.ERROR)
    async with database_url(settings) as url:
        db = await Database.open(url)
        try:
            await db.ping()
            await db.run("migrate", migrate, budget_s=MIGRATE_BUDGET_S)
            yield db
        finally:
            await db.aclose()


def check_names(*given: tuple[str, str | None]) -> None:
    """Raise CommandError for a name that is blank, too long or not printable.

    Each of `given` is an option and its value; None means that the option was not given.
    """
    for option, name in given:
        if name is None:
            continue
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise CommandError(
                f"{option} must be 1 to {_LONGEST_NAME} printable characters, not only spaces",
                ExitCode.USAGE,
            )
