"""Types for the part of an asyncpg connection that operations use; asyncpg ships no types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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


async def connect(url: str, *, timeout_s: float, application: str) -> Any:
    """Open one connection outside any pool. PgBouncer in transaction mode is supported.

    Raises one of `errors.CONNECTION_FAILURES` if the connection cannot be opened.
    """
    return await asyncpg.connect(
        url,
        timeout=timeout_s,
        statement_cache_size=0,
        server_settings={"application_name": application},
    )
