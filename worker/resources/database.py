"""The resource `database`: a connection pool on a schema that this worker may write to."""

from __future__ import annotations

from worker.config.settings import Settings
from worker.env.secret_files import (
    SecretUnreadable,
    read_secret,
    secret_files,
    without_white_space,
)
from worker.journal.shipper import stop_shipping
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import Attacher, Consequence, LoadFailed, Resource
from worker.store.database import Database, PoolLimits
from worker.store.errors import DatabaseError
from worker.store.schema import SchemaDiffers, SchemaTooNew, check_schema
from worker.store.tls import UrlDefaults
from worker.store.url import DatabaseUrlInvalid

#: Maximum seconds for the first query, retries after transient errors included. The time is short,
#: because the candidate waits in silence.
_CHECK_S = 2.0


class UrlFile:
    """Callable that reads the database URL from a file again, and returns the last valid URL.

    Args:
        path: The file that DATABASE_URL_FILE names.
        url: The URL that was read at the start of the process.
        defaults: The sslmode and the password for a URL that lacks them.
    """

    def __init__(self, path: str, url: str, defaults: UrlDefaults) -> None:
        self._path = path
        self._url = url
        self._defaults = defaults

    def __call__(self) -> str:
        """Return the URL. Blocks while it reads the file."""
        try:
            url = self._defaults.complete(without_white_space(read_secret(self._path)))
        except (SecretUnreadable, ValueError):  # DatabaseUrlInvalid is a ValueError
            return self._url
        self._url = url
        return url


async def open_database(settings: Settings) -> Database:
    """Open the connection pool that the settings describe. The pool connects at first use.

    Raises DatabaseUrlInvalid if the URL in the settings is invalid.
    """
    limits = PoolLimits(
        size=settings.database_pool_size,
        overflow=settings.database_pool_overflow,
        overflow_idle_s=settings.database_overflow_idle_s,
        connect_timeout_s=settings.database_connect_timeout_s,
        acquire_timeout_s=settings.database_acquire_timeout_s,
        statement_timeout_s=settings.database_statement_timeout_s,
        verify_after_idle_s=settings.database_verify_after_idle_s,
    )
    defaults = UrlDefaults.of_environment(settings.database_tls)
    url = defaults.complete(settings.database_url.get_secret_value())
    path = secret_files(Settings).get("database_url")
    again = UrlFile(path, url, defaults) if path else None
    return await Database.open(url, limits, again)


async def _close(database: Database) -> None:
    await stop_shipping()
    await database.aclose(budget_s=1.5)


def database_resource(settings: Settings, *, attach: Attacher | None = None) -> Resource:
    """Declare the PostgreSQL pool, whose loader checks the connection with a real query.

    If the server is unavailable, or its schema still needs the worker's migrations, the pool is
    kept nevertheless, and the journal's ingestion detects and reports when the database is
    available.
    """

    async def load(_: AgentResources) -> Database:
        if not settings.database_url.get_secret_value():
            raise LoadFailed("NotConfigured", "DATABASE_URL is not set")
        try:
            database = await open_database(settings)
        except DatabaseUrlInvalid as error:
            raise LoadFailed("DatabaseUrlInvalid", str(error)) from error
        try:
            await database.run("check_schema", check_schema, budget_s=_CHECK_S)
        except SchemaTooNew as error:
            await database.aclose()
            raise LoadFailed("SchemaTooNew", str(error)) from error
        except (DatabaseError, SchemaDiffers) as error:
            raise LoadFailed(type(error).__name__, str(error), meanwhile=database) from error
        return database

    return Resource(
        name="database",
        loss="The plan comes with the dispatch. Turns wait on the worker's disk.",
        consequence=Consequence(noticed="Nothing."),
        load=load,
        close=_close,
        attach=attach,
        budget_s=3.0,
    )
