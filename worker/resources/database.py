"""The resource `database`: a pool of connections, and the journal's shipping into it."""

from __future__ import annotations

from worker.resources.base import LoadFailed, Resource
from worker.resources.bootstrap import AgentResources
from worker.settings import Settings
from worker.shipping import stop_shipping
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.pool import Database, PoolLimits
from worker.store.url import DatabaseUrlInvalid


async def open_database(settings: Settings) -> Database:
    """Open the pool of the settings; connects only when first used. Raises DatabaseUrlInvalid."""
    limits = PoolLimits(size=settings.database_pool_size, overflow=settings.database_pool_overflow)
    return await Database.open(settings.database_url.get_secret_value(), limits)


async def _close(database: Database) -> None:
    await stop_shipping()
    await database.aclose(budget_s=1.5)


def database_resource(settings: Settings) -> Resource:
    """PostgreSQL, checked once with a real query."""

    async def load(_: AgentResources) -> Database:
        if not settings.database_url.get_secret_value():
            raise LoadFailed("NotConfigured", "DATABASE_URL is not set")
        try:
            database = await open_database(settings)
        except DatabaseUrlInvalid as error:
            raise LoadFailed("DatabaseUrlInvalid", str(error)) from error
        try:
            await database.ping(budget_s=2.0)
        except (DatabaseUnavailable, DatabaseOperationFailed) as error:
            await database.aclose()
            transient = isinstance(error, DatabaseUnavailable)
            raise LoadFailed("DatabaseUnavailable", str(error), transient=transient) from error
        return database

    return Resource(
        name="database",
        loss="The interview is held from the plan in the dispatch; turns wait in the journal.",
        load=load,
        close=_close,
        budget_s=3.0,
    )
