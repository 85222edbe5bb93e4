"""One database connection: its type, how it is opened, and the pools that open many.

asyncpg ships no types, so this module defines types for the part of asyncpg that operations use.
"""

from __future__ import annotations

import asyncio
import configparser
import functools
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias, TypeVar

import asyncpg

from worker.aio.threads import in_thread
from worker.store.tls import VERIFYING, arguments_of, tls_of
from worker.store.url import DatabaseUrl, DatabaseUrlInvalid, wanted_server

T = TypeVar("T")

#: Name under which the server lists the connections of workers.
APPLICATION = "interview-worker"


class Row(Protocol):
    """One row of a result, indexed by column name."""

    def __getitem__(self, key: str) -> Any: ...


class Connection(Protocol):
    """One database connection in a transaction, whose methods may raise any asyncpg error.

    `Database.run` handles the errors of asyncpg. `timeout` in seconds replaces the pool's statement
    timeout. A statement with arguments costs two round trips; `execute` without arguments costs one
    round trip.
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


#: Function that returns the URL for the next connection. The function may read a file and so may
#: block.
UrlSource: TypeAlias = Callable[[], str]

#: Opens one connection. The arguments are those of `asyncpg.connect`.
Connect: TypeAlias = Callable[..., Awaitable[Any]]

#: An operation for `Database.run`. The operation may run more than once, so it must be idempotent.
Operation: TypeAlias = Callable[[Connection], Awaitable[T]]


@contextmanager
def refusing_wrong_configuration() -> Iterator[None]:
    """Convert errors of a wrong URL, PG* variable or file of libpq to `ClientConfigurationError`.

    For some wrong configurations asyncpg raises a ValueError, a LookupError or an error of
    configparser, whose message may contain the password. Network errors and other errors of asyncpg
    pass through.
    """
    try:
        yield
    except (ValueError, LookupError, configparser.Error) as error:
        # Pass OSError on: the error for an invalid certificate is both an OSError and a ValueError.
        if isinstance(error, (asyncpg.InterfaceError, OSError)):
            raise
        raise asyncpg.ClientConfigurationError("the connection options are invalid") from None


async def connection_arguments(url: str) -> dict[str, Any]:
    """Return the arguments of asyncpg that say where and how to connect.

    Certificates are read in a thread. Raises DatabaseUrlInvalid if the URL is invalid, or if a
    certificate that the URL or a PG* variable names cannot be read.
    """
    parts = DatabaseUrl.of(url)
    try:
        if tls_of(parts).mode in VERIFYING:
            read = functools.partial(arguments_of, parts)
            arguments = await in_thread("database-certificates", read)
        else:
            arguments = arguments_of(parts)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        problem = "or a PG* variable names a certificate that cannot be read"
        raise DatabaseUrlInvalid(url, problem) from None
    return {**arguments, "target_session_attrs": wanted_server(url)}


async def connect(url: str, *, timeout_s: float, application: str) -> Any:
    """Open one connection outside any pool. PgBouncer in transaction mode is supported.

    Raises one of `errors.CONNECTION_FAILURES` if the connection cannot be opened.
    """
    with refusing_wrong_configuration():
        return await asyncpg.connect(
            **await connection_arguments(url),
            timeout=timeout_s,
            statement_cache_size=0,
            server_settings={"application_name": application},
        )


class StampedConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg ships no types
    """A connection that stores the time of its last release (event loop's clock, in seconds).

    It also keeps the descriptions (types of parameters and columns) of the statements that were run
    with `fetch_again`.
    """

    #: Infinity until the first release, which marks a new connection.
    released_at = math.inf

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._described: dict[str, Any] = {}

    async def fetch_again(
        self,
        query: str,
        args: Sequence[object],
        *,
        timeout: float | None,  # noqa: ASYNC109  # asyncpg's parameter
    ) -> list[Any]:
        """Run a statement that is run often on this connection; return its rows.

        The first run costs two round trips, because the server describes the statement. Each later
        run costs one, and the server parses the statement once instead of twice. The statement has
        no name on the server, so that this also works behind PgBouncer in transaction mode.
        `timeout` is the maximum number of seconds for each round trip.
        """
        statement = self._described.pop(query, None)
        if statement is None:
            statement = await self.prepare(query, name="", timeout=timeout)
        else:
            # asyncpg refuses a prepared statement once its connection was given back to the pool,
            # because the pool usually resets the connection. These pools do not (see `_stamp`).
            statement._con_release_ctr = self._pool_release_ctr
        rows: list[Any] = await statement.fetch(*args, timeout=timeout)
        # After an error the description may be outdated. Then the next run asks for another one.
        self._described[query] = statement
        return rows


async def _stamp(connection: StampedConnection) -> None:
    """Store the time of the release.

    The function replaces asyncpg's own reset of a released connection.

    asyncpg's RESET ALL costs one more round trip for every operation. Behind PgBouncer in
    transaction mode, RESET ALL resets the server connection of another client. No operation changes
    the session, so no reset is needed.
    """
    connection.released_at = asyncio.get_running_loop().time()


#: Array types of PostgreSQL, with the types of their elements: name and OIDs, which are the same in
#: every database (src/include/catalog/pg_type.dat). Without help asyncpg knows only text[].
_ARRAYS = (
    ("bool", 1000, 16),
    ("int4", 1007, 23),
    ("int8", 1016, 20),
    ("float8", 1022, 701),
    ("timestamptz", 1185, 1184),
    ("jsonb", 3807, 3802),
)


async def _know_arrays(connection: StampedConnection) -> None:
    """Register array types with asyncpg, so that asyncpg does not query the server for them.

    For an array type that is not registered, the query at the first use costs six round trips on
    each connection. Behind PgBouncer, such a query also changes a setting (jit) of a server
    connection that other clients use.
    """
    connection.get_settings().register_data_types(
        [
            {
                "oid": oid,
                "name": f"_{name}",
                "ns": "pg_catalog",
                "kind": b"b",
                "basetype": None,
                "elemtype": element,
                "elemdelim": ",",
                "range_subtype": None,
                "attrtypoids": None,
                "attrnames": None,
            }
            for name, oid, element in _ARRAYS
        ]
    )


def _connect_anew(url_again: UrlSource) -> Connect:
    """Return a replacement of `asyncpg.connect` that asks `url_again` for the URL at each call."""

    async def connect(_: str, **options: Any) -> Any:
        url = await in_thread("read-database-url", url_again)
        return await asyncpg.connect(**options | await connection_arguments(url))

    return connect


async def open_pool(
    arguments: Mapping[str, Any],
    *,
    size: int,
    idle_s: float,
    connect_timeout_s: float,
    statement_timeout_s: float,
    through: Callable[[Connect], Connect],
    url_again: UrlSource | None = None,
) -> Any:
    """Create an asyncpg pool of at most `size` connections. No connection is opened yet.

    `arguments` is the result of `connection_arguments`. A connection that was idle for `idle_s`
    seconds is closed; with 0, idle connections stay open. `through` gets the function that opens a
    connection, and returns the function that the pool calls in its place. If `url_again` is given,
    it is called before each new connection and returns the URL to use.
    """
    return await asyncpg.create_pool(
        **arguments,
        connect=through(_connect_anew(url_again) if url_again is not None else asyncpg.connect),
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=idle_s,
        # Prepare no named statements, because PgBouncer in transaction mode could prepare a
        # statement on one server connection and execute it on another.
        statement_cache_size=0,
        command_timeout=statement_timeout_s,
        timeout=connect_timeout_s,
        connection_class=StampedConnection,
        init=_know_arrays,
        reset=_stamp,
        server_settings={"application_name": APPLICATION},
    )
