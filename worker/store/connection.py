"""The part of an asyncpg connection that operations use, typed (asyncpg ships no types)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")


class Row(Protocol):
    """One row of a result, by column name."""

    def __getitem__(self, key: str) -> Any: ...


class Connection(Protocol):
    """One connection. It may raise whatever asyncpg does; `Database.run` sorts that out.

    A `timeout` in seconds is instead of the pool's time-out for a statement.
    """

    async def execute(
        self,
        query: str,
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109  # asyncpg's own
    ) -> str: ...

    async def fetch(self, query: str, *args: object) -> list[Row]: ...

    async def fetchrow(self, query: str, *args: object) -> Row | None: ...

    async def fetchval(self, query: str, *args: object) -> Any: ...

    def transaction(self) -> AbstractAsyncContextManager[object]: ...


#: What `Database.run` runs: it may be run more than once, so it must be fit to be repeated.
Operation: TypeAlias = Callable[[Connection], Awaitable[T]]
