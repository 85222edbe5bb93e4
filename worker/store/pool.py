"""Database connections of one process: some stay open, the others are closed when idle.

The first round trip of an operation changes nothing in the database, and therefore also verifies
the connection: if the round trip fails, the operation runs on another connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from worker.store.connection import refusing_wrong_configuration
from worker.store.errors import ConnectionLost, ends_connection
from worker.store.openings import Openings
from worker.store.pool_limits import PoolLimits, PoolUse
from worker.store.pool_statements import END_OF_FETCH, begin_statements
from worker.store.tiers import Tier, cut_off, is_closed, tiers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from worker.store.connection import UrlSource

__all__ = ["Connections", "PoolLimits", "PoolUse", "Tier"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Held:
    """A connection in use, and the tier (asyncpg pool) to which the connection belongs."""

    tier: Tier
    connection: Any


class Connections:
    """The permanent and the additional connections of one process, within `PoolLimits`.

    A single asyncpg pool either keeps all idle connections, or closes all of them, or opens its
    permanent connections before they are needed (`min_size`). Therefore this class uses up to three
    pools, called tiers. A tier is used only while all connections of the tiers before it are in
    use. Of several idle connections, the most recently used connection is taken first. If an
    operation is cancelled while its connection is being opened, the opening continues
    (`worker.store.openings`).

    Errors of asyncpg, among them ClientConfigurationError for a wrong URL, pass through. Other
    errors: TimeoutError if no connection becomes free in time, and ConnectionLost if the connection
    was broken (the next attempt gets a new connection).
    """

    def __init__(self, tiers: Sequence[Tier], limits: PoolLimits, openings: Openings) -> None:
        self._tiers = tiers
        self._limits = limits
        self._openings = openings
        self._answers = openings.answers
        self._free = asyncio.Semaphore(limits.size + limits.overflow)
        self._giving_back: set[asyncio.Task[None]] = set()
        #: Loop time of the last answer of the server, on any connection.
        self._answered_at = -math.inf

    @classmethod
    async def open(
        cls, url: str, limits: PoolLimits, url_again: UrlSource | None = None
    ) -> Connections:
        """Create the pools. No connection is opened yet. For `url_again` see `open_pool`.

        Raises DatabaseUrlInvalid if the URL is invalid.
        """
        tiers: list[Tier] = []
        openings = Openings(limits, lambda: sum(tier.pool.get_size() for tier in tiers))
        tiers += await tiers_of(url, limits, openings, url_again)
        return cls(tiers, limits, openings)

    async def fetch(
        self, query: str, args: Sequence[object], *, verify_s: float = math.inf
    ) -> list[Any]:
        """Run one statement in its own implicit transaction; return its rows. Two round trips.

        The first round trip only parses the statement. If the connection has been idle for
        `PoolLimits.verify_after_idle_s` seconds, the timeout of this round trip is the shorter of
        `verify_s` and `PoolLimits.verify_timeout_s`.
        """

        async def parse(connection: Any, timeout_s: float | None) -> Any:
            # The empty name makes an unnamed statement. asyncpg parses it once more when it is
            # executed, because PgBouncer may use another server connection by then.
            return await connection.prepare(query, name="", timeout=timeout_s)

        held, statement = await self._begun(parse, END_OF_FETCH, verify_s)
        try:
            rows: list[Any] = await statement.fetch(*args)
        except BaseException as error:
            if await self._abandon(held, error, END_OF_FETCH):
                raise ConnectionLost from None
            raise
        await self._give_back(held)
        return rows

    async def fetch_again(
        self, query: str, args: Sequence[object], *, verify_s: float = math.inf
    ) -> list[Any]:
        """Run one statement that is run often and may run twice; return its rows. One round trip.

        No separate round trip verifies the connection: if the connection is broken or silent, as in
        `fetch`, the whole statement runs again on another connection.
        """

        async def whole(connection: Any, timeout_s: float | None) -> list[Any]:
            rows: list[Any] = await connection.fetch_again(query, args, timeout=timeout_s)
            return rows

        held, rows = await self._begun(whole, END_OF_FETCH, verify_s)
        await self._give_back(held)
        return rows

    @contextlib.asynccontextmanager
    async def transaction(
        self, *, writable: bool = False, verify_s: float = math.inf
    ) -> AsyncIterator[Any]:
        """Yield a connection in a transaction. Commit if the block succeeds, otherwise roll back.

        The transaction costs one round trip to begin and one to commit. If the connection has been
        idle for `PoolLimits.verify_after_idle_s` seconds, the timeout of the first round trip is
        the shorter of `verify_s` and `PoolLimits.verify_timeout_s`, or longer if the server is slow
        (`AnswerTimes.patience_s`). With `writable`, a connection
        to a read-only server counts as broken.
        """

        async def begin(connection: Any, timeout_s: float | None) -> None:
            await connection.execute(begin_statements(writable=writable), timeout=timeout_s)

        held, _ = await self._begun(begin, "ROLLBACK", verify_s)
        try:
            yield held.connection
            if await held.connection.execute("COMMIT") == "ROLLBACK":
                # The block has caught the error of a statement, so nothing was committed.
                raise asyncpg.InFailedSQLTransactionError("the transaction was rolled back")
        except BaseException as error:
            if await self._abandon(held, error, "ROLLBACK"):
                raise ConnectionLost from None
            raise
        await self._give_back(held)

    async def _begun(
        self, first: Callable[[Any, float | None], Awaitable[T]], end: str, verify_s: float
    ) -> tuple[_Held, T]:
        """Acquire a connection, and call `first` with it; return the connection and the result.

        If a connection that was used before is broken or silent, another connection is tried at
        once, at most as many times as the process may have connections, because the same cause has
        most likely broken all idle connections. If a new connection fails, the cause is the server
        itself, and the error is raised.
        """
        limits = self._limits
        replaceable = limits.size + limits.overflow
        while True:
            held = await self._acquire()
            began = asyncio.get_running_loop().time()
            idle_s = began - held.connection.released_at
            is_new = math.isinf(idle_s)
            timeout_s: float | None = None
            if idle_s >= limits.verify_after_idle_s:
                timeout_s = self._answers.patience_s(min(limits.verify_timeout_s, verify_s))
            try:
                result = await first(held.connection, timeout_s)
            except BaseException as error:
                silent = timeout_s is not None and isinstance(error, TimeoutError)
                if silent and (timeout_s or 0.0) >= limits.verify_timeout_s:
                    await self._expire_unless_answered(since=began)
                useless = silent or ends_connection(error) or is_closed(held.connection)
                lost = await self._abandon(held, error, end)
                if is_new or not useless or not replaceable or not isinstance(error, Exception):
                    if lost:
                        raise ConnectionLost from None
                    raise
            else:
                self._note_answer(since=began)
                return held, result
            replaceable -= 1
            logger.info(
                "a database connection was broken or silent, and another one is used",
                extra={"event": "database_connection_replaced"},
            )

    async def _acquire(self) -> _Held:
        if self._free.locked():
            async with asyncio.timeout(self._limits.acquire_timeout_s):
                await self._free.acquire()
        else:
            await self._free.acquire()  # at once, without the cost of a timer
        tier = next(tier for tier in self._tiers if tier.free)
        tier.free -= 1
        try:
            if tier.pool.is_closing():
                raise ConnectionLost
            with refusing_wrong_configuration():
                return _Held(tier, await tier.pool.acquire())
        except BaseException:
            self._leave(tier)
            raise

    def _leave(self, tier: Tier) -> None:
        tier.free += 1
        self._free.release()

    async def _abandon(self, held: _Held, error: BaseException, end: str) -> bool:
        """Give back the connection of an operation that failed with `error`; close it if broken.

        `end` is the statement that ends a transaction which the operation may have left open.
        Return whether the error only says that the connection is closed.
        """
        closed = is_closed(held.connection)
        if isinstance(error, (TimeoutError, asyncio.CancelledError)):
            # A statement may still be running. asyncpg asks the server to cancel the statement. A
            # separate task waits for the cancellation, so that the caller does not exceed its time
            # budget. If the connection were terminated instead, the statement would stay on the
            # server, for example waiting for a lock, and each retry would add another such
            # statement.
            task = asyncio.create_task(self._give_back(held, end), name="give-back-connection")
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)
        elif closed or ends_connection(error):
            cut_off(held.connection)
            await self._expire()
            await self._give_back(held)
        else:
            await self._give_back(held, end)
        return closed and isinstance(error, asyncpg.InterfaceError)

    async def _give_back(self, held: _Held, end: str | None = None) -> None:
        began = asyncio.get_running_loop().time()
        try:
            if end is not None:
                patience_s = self._answers.patience_s(self._limits.verify_timeout_s)
                await held.connection.execute(end, timeout=patience_s)
                self._note_answer(since=began)
        except BaseException as error:
            # The server does not even acknowledge a cancellation: the connection is broken.
            cut_off(held.connection)
            if not isinstance(error, Exception):
                raise
            await self._expire_unless_answered(since=began)
        finally:
            try:
                # Ignore an error of the release, because the operation itself has already ended.
                with contextlib.suppress(Exception):
                    await held.tier.pool.release(
                        held.connection, timeout=self._limits.verify_timeout_s
                    )
            finally:
                # Free the slot on cancellation as well, because asyncpg still finishes the release.
                self._leave(held.tier)

    def _note_answer(self, *, since: float) -> None:
        self._answered_at = asyncio.get_running_loop().time()
        self._answers.note(self._answered_at - since)

    async def _expire_unless_answered(self, *, since: float) -> None:
        """Replace every open connection, unless the server has answered since the time `since`.

        A server that answers is only slow, and reopening all connections would make the server
        slower.
        """
        if self._answered_at <= since:
            await self._expire()

    async def _expire(self) -> None:
        """Replace every open connection at its next use."""
        self._openings.expire()
        for tier in self._tiers:
            await tier.pool.expire_connections()

    def use(self) -> PoolUse:
        """Return how many connections are open, how many are idle, and the maximum."""
        return PoolUse(
            connections=sum(tier.pool.get_size() for tier in self._tiers) + self._openings.ready,
            idle=sum(tier.pool.get_idle_size() for tier in self._tiers) + self._openings.ready,
            most=self._limits.size + self._limits.overflow,
        )

    async def aclose(self, *, budget_s: float) -> None:
        """Close all connections; terminate those that are still in use after `budget_s` seconds."""
        await self._openings.aclose()
        try:
            async with asyncio.timeout(budget_s):
                await asyncio.gather(*(tier.pool.close() for tier in self._tiers))
        except TimeoutError:
            for tier in self._tiers:
                tier.pool.terminate()
        for task in self._giving_back:
            # The connection of this task is closed, so the task has nothing left to roll back.
            task.cancel()
        if self._giving_back:
            await asyncio.wait(self._giving_back)
