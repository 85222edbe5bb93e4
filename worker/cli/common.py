"""Code that the commands share: exit codes, one-line errors, the database, and JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from states import JournalError
from worker.cli.errors import CommandError as CommandError
from worker.cli.errors import ExitCode as ExitCode
from worker.cli.errors import fail as fail
from worker.cli.errors import report
from worker.config.settings import Settings, SettingsInvalid
from worker.interview.plan.plan import PlanError
from worker.job.application import ApplicationInvalid
from worker.livekit_api.errors import LiveKitError, LiveKitKeyRefused, LiveKitUrlInvalid
from worker.operations.errors import (
    InterviewerPresent,
    InterviewNotCreated,
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

#: Exit code of each error class of the project. The first class of an error that matches determines
#: the exit code.
_CODES: tuple[tuple[type[Exception], ExitCode], ...] = (
    (SettingsInvalid, ExitCode.USAGE),
    (PlanError, ExitCode.USAGE),
    (ApplicationInvalid, ExitCode.USAGE),
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

#: The errors that a command reports without a traceback.
PROJECT_ERRORS: Final[tuple[type[Exception], ...]] = (
    CommandError,
    *(kind for kind, _ in _CODES),
)


def code_of(error: Exception) -> ExitCode:
    """Return the exit code for an error of the project."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, InterviewNotCreated):
        return code_of(error.cause)
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Report an error of the project on standard error, and exit with its code.

    The report has one line for each problem.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except PROJECT_ERRORS as error:
        fail(str(error), code_of(error))
    except BrokenPipeError:
        raise  # the reader of the output has gone, which typer ends silently
    except OSError as error:
        # A file that cannot be read or written, for example because its name is too long.
        place = f"{error.filename}: " if error.filename is not None else ""
        fail(f"{place}{error.strerror or type(error).__name__}")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine of a command, and report its errors as `one_line_errors` does."""
    with one_line_errors():
        return asyncio.run(work)


def print_json(value: Any) -> None:
    """Print `value` as JSON on standard output. Times are in ISO 8601 format."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=_plain)
    sys.stdout.write("\n")


#: Maximum number of rows of a list. A limit is needed because a database may have half a million.
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows.")]
DEFAULT_LIMIT = 100


def cut_to(rows: Sequence[T], limit: int) -> Sequence[T]:
    """Return the first `limit` rows. If rows are left out, print a note on standard error."""
    if len(rows) > limit:
        report(f"the newest {limit} are shown; --limit shows more")
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
    """Yield the URL of the configured database, or of an embedded database.

    The embedded database runs until the end of the block. If INTERVIEW_EMBEDDED did not request it,
    a note is printed on standard error, because a worker needs INTERVIEW_EMBEDDED=1 to use the same
    database. Raises CommandError if DATABASE_URL is not set and an embedded database is not
    allowed.
    """
    url = settings.database_url.get_secret_value()
    if url:
        yield url
    elif embedded or settings.embedded:
        if not settings.embedded:
            report(
                "DATABASE_URL is not set, so this command uses the embedded database in "
                f"{settings.data_dir}; a worker uses the same one only with INTERVIEW_EMBEDDED=1, "
                "which also hides this note"
            )
        async with await EmbeddedPostgres.start(settings.data_dir) as server:
            yield server.url
    else:
        raise no_database(settings)


def no_database(settings: Settings) -> CommandError:
    """Return the error of a worker without a database."""
    return CommandError(
        "no database is configured: set DATABASE_URL to a PostgreSQL server, or "
        f"INTERVIEW_EMBEDDED=1 to run one in {settings.data_dir}, which `interviews` and `jobs` "
        "use while DATABASE_URL is not set",
        ExitCode.USAGE,
    )


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Database]:
    """Yield an open database with the current schema, for one command.

    Raises DatabaseUnavailable if the database does not answer within 5 s, and the errors of
    `migrate`.
    """
    # Hide the warning that each retry logs, because the command reports the error in one line.
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
    """Raise CommandError if a name is blank, too long or not printable.

    Each element of `given` is an option and its value. None means that the option was not given.
    """
    for option, name in given:
        if name is None:
            continue
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise CommandError(
                f"{option} must be 1 to {_LONGEST_NAME} printable characters, not only spaces",
                ExitCode.USAGE,
            )
