"""The database that a command uses: the one at DATABASE_URL, or the embedded database."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.cli.errors import CommandError, ExitCode, report
from worker.config.settings import Settings
from worker.store.database import Database
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.migrate import migrate
from worker.store.tls import with_tls


@asynccontextmanager
async def database_url(settings: Settings, *, embedded: bool = True) -> AsyncIterator[str]:
    """Yield the URL of the configured database, or of an embedded database.

    The embedded database runs until the end of the block. If the embedded database is used although
    INTERVIEW_EMBEDDED is not set, a note is printed on standard error, because a worker needs
    INTERVIEW_EMBEDDED=1 to use the same database.

    INTERVIEW_DATABASE_TLS applies to a server on another machine. Raises CommandError if
    DATABASE_URL is not set and an embedded database is not allowed, and DatabaseUrlInvalid if the
    URL is invalid.
    """
    url = settings.database_url.get_secret_value()
    if url:
        yield with_tls(url, settings.database_tls)
    elif embedded or settings.embedded:
        if not settings.embedded:
            report(
                "DATABASE_URL is not set, so this command uses the embedded database in "
                f"{settings.data_dir}; a worker uses this database only with INTERVIEW_EMBEDDED=1, "
                "which also hides this note"
            )
        async with await EmbeddedPostgres.start(settings.data_dir) as server:
            yield server.url
    else:
        raise no_database(settings)


def no_database(settings: Settings) -> CommandError:
    """Return the error "no database is configured", which says what to set."""
    return CommandError(
        "no database is configured: set DATABASE_URL to a PostgreSQL server, or "
        f"INTERVIEW_EMBEDDED=1 to run one in {settings.data_dir}, which `interviews` and `jobs` "
        "use while DATABASE_URL is not set",
        ExitCode.USAGE,
    )


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Database]:
    """Yield an open database with the current schema, for one command.

    Raises DatabaseUnavailable if the database does not answer within 5 s (`BUDGET_S` in
    worker/store/database.py), and the errors of `migrate`.
    """
    # Hide the warnings of retries, because the command reports the final error in one line.
    logging.basicConfig(level=logging.ERROR)
    async with database_url(settings) as url:
        db = await Database.open(url)
        try:
            await db.ping()
            await migrate(db)
            yield db
        finally:
            await db.aclose()
