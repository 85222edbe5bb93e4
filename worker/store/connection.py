"""Types for the part of an asyncpg connection that operations use; asyncpg ships no types."""

from __future__ import annotations

import configparser
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import asyncpg

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")


class Row(Protocol):
    """One row of a result, indexed by column name."""

    def __getitem__(self, key: str) -> Any: ...


class Connection(Protocol):
    """One database connection, whose methods may raise any asyncpg error.

    `Database.run` handles the errors of asyncpg. `timeout` in seconds replaces the pool's statement
    timeout.
    """

    async def execute(
        self,
        query: str,
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109  # asyncpg's parameter
    ) -> str: ...

    async def fetch(self, query: str, *args: object) -> list[Row]: ...

    async def fetchrow(self, query: str, *args: object) -> Row | None: ...

    async def fetchval(self, query: str, *args: object) -> Any: ...

    def transaction(self) -> AbstractAsyncContextManager[object]: ...


#: An operation for `Database.run`. The operation may run more than once, so it must be idempotent.
Operation: TypeAlias = Callable[[Connection], Awaitable[T]]


@contextmanager
def refusing_wrong_configuration() -> Iterator[None]:
    """Convert errors of a wrong URL, PG* variable or file of libpq to `ClientConfigurationError`.

    For some of them asyncpg raises a ValueError, a LookupError or an error of configparser, whose
    message may contain the password. Network errors and other errors of asyncpg pass through.
    """
    try:
        yield
    except (ValueError, LookupError, configparser.Error) as error:
        # An invalid certificate is a ValueError too, and an OSError.
        if isinstance(error, (asyncpg.InterfaceError, OSError)):
            raise
        raise asyncpg.ClientConfigurationError("the configuration of the connection") from None


async def connect(url: str, *, timeout_s: float, application: str) -> Any:
    """Open one connection outside any pool. PgBouncer in transaction mode is supported.

    Raises one of `errors.CONNECTION_FAILURES` if the connection cannot be opened.
    """
    with refusing_wrong_configuration():
        return await asyncpg.connect(
            url,
            timeout=timeout_s,
            statement_cache_size=0,
            server_settings={"application_name": application},
        )
