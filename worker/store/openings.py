"""Open database connections in tasks that continue if the waiting operation is cancelled.

Opening a connection takes several round trips, which may take longer than the time budget of the
operation that waits for the connection. If the opening were cancelled with the operation, the next
operation would have to open a connection from the beginning, and with a slow server no operation
would ever get a connection. Therefore the opening continues, and the next operation uses the
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from worker.aio.backoff import ExponentialBackoff
from worker.store.answer_times import AnswerTimes
from worker.store.errors import ConnectionLost, kind_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from worker.store.connection import Connect
    from worker.store.pool_limits import PoolLimits

logger = logging.getLogger(__name__)

#: Delays before the next opening while openings fail. The jitter is 1.0, because after a restart of
#: the server the openings of all workers fail at once.
_RETRY: Final = ExponentialBackoff(first_s=0.05, longest_s=1.0, jitter=1.0)
#: Age in seconds of the newest opening from which a further operation begins another opening, for
#: each opening that runs. A packet may be lost, or a server may have gone without an answer, so
#: that the opening hangs. The time is shorter than the shortest budget of a heartbeat (a third of a
#: lease of 3 s), so that the next heartbeat after one that failed gets a new opening. It grows with
#: the number of openings, so that a slow server is not asked for ever more connections.
_OVERDUE_S: Final = 0.9
#: Age in seconds from which an opening gives its place to another one, if no place is left.
_HUNG_S: Final = 2.5


class Openings:
    """Tasks that open the connections of one process, and open connections that are not used yet.

    An opening is a task that opens one connection. Normally, at most one opening runs for each
    operation that waits for a connection. If the operation is cancelled, the next operation gets
    the connection. An additional opening begins only if the newest opening is overdue, and if the
    limits allow another connection or an opening hangs, which is then cancelled.

    Args:
        limits: Limits of the process's connections. An opening takes at most `connect_timeout_s`.
        connected: Returns the number of connections that the pools have.
    """

    def __init__(self, limits: PoolLimits, connected: Callable[[], int]) -> None:
        self._limits = limits
        self._connected = connected
        #: The times in which the server opened connections, and answered on open ones.
        self.answers = AnswerTimes(limits.connect_timeout_s)
        #: The operations that wait for a connection, in the order in which they came.
        self._waiting: dict[asyncio.Future[Any], None] = {}
        #: The openings that run, each with the loop time at which it began.
        self._running: dict[asyncio.Task[Any], float] = {}
        #: Opened connections that nobody uses yet, each with the timer that closes it.
        self._ready: dict[Any, asyncio.TimerHandle] = {}
        self._delays: Iterator[float] | None = None
        #: Loop time before which no opening begins, because the last opening failed.
        self._not_before = 0.0
        self._closed = False

    @property
    def ready(self) -> int:
        """The number of open connections that no operation uses yet."""
        return len(self._ready)

    def through(self, connect: Connect) -> Connect:
        """Wrap `connect` for a pool, so that each connection is opened in a background task."""

        async def open_in_background(*arguments: Any, **options: Any) -> Any:
            return await self._connection(lambda: connect(*arguments, **options))

        return open_in_background

    async def _connection(self, connect: Callable[[], Awaitable[Any]]) -> Any:
        """Return an open connection.

        Raises the error of a failed opening if no other opening can serve the caller.
        """
        if self._closed:
            raise ConnectionLost
        while self._ready:
            connection, timer = self._ready.popitem()
            timer.cancel()
            if not connection.is_closed():
                return connection
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = None
        waiting = sum(not each.done() for each in self._waiting)
        if len(self._running) < waiting or self._needs_another():
            self._begin(connect)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # The connection came in the moment in which the operation was cancelled.
                self._give(waiter.result())
            raise
        finally:
            del self._waiting[waiter]

    def _needs_another(self) -> bool:
        """Return whether the newest opening is overdue, and a place is left or was made."""
        now = asyncio.get_running_loop().time()
        if now - max(self._running.values()) < _OVERDUE_S * len(self._running):
            return False
        if self._connected() + len(self._running) < self._limits.size + self._limits.overflow:
            return True
        oldest = min(self._running, key=self._running.__getitem__)
        return now - self._running[oldest] >= _HUNG_S and oldest.cancel()

    def _begin(self, connect: Callable[[], Awaitable[Any]]) -> None:
        now = asyncio.get_running_loop().time()
        task = asyncio.create_task(
            self._open(connect, self._not_before - now), name="open-database-connection"
        )
        self._running[task] = max(now, self._not_before)
        task.add_done_callback(self._ended)

    async def _open(self, connect: Callable[[], Awaitable[Any]], delay_s: float) -> Any:
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        async with asyncio.timeout(self._limits.connect_timeout_s):
            return await connect()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        began = self._running.pop(task)
        error = ConnectionLost() if task.cancelled() else task.exception()
        if error is None:
            self._delays = None
            self.answers.note_opening(asyncio.get_running_loop().time() - began)
            self._give(task.result())
            return
        if not task.cancelled() and began >= self._not_before:
            # Openings that ran at the same time fail together, and count as one failure.
            self._delays = self._delays or _RETRY.delays()
            self._not_before = asyncio.get_running_loop().time() + next(self._delays)
        waiting = [each for each in self._waiting if not each.done()]
        if len(self._running) < len(waiting):
            waiting[0].set_exception(error)
        elif not self._closed:
            logger.info(
                "a database connection could not be opened: %s",
                kind_of(error),
                extra={"event": "database_connection_not_opened"},
            )

    def _give(self, connection: Any) -> None:
        """Pass an open connection to a waiting operation; if none waits, keep the connection."""
        # An operation that was cancelled stays until its task has resumed.
        waiter = next((each for each in self._waiting if not each.done()), None)
        if waiter is not None:
            waiter.set_result(connection)
            return
        if self._closed or connection.is_closed():
            _close(connection)
            return
        loop = asyncio.get_running_loop()
        # A connection that waits may break, so it counts as used, and is verified at its first use.
        connection.released_at = loop.time()
        self._ready[connection] = loop.call_later(
            self._limits.overflow_idle_s, self._close_ready, connection
        )

    def _close_ready(self, connection: Any) -> None:
        self._ready.pop(connection).cancel()
        _close(connection)

    def expire(self) -> None:
        """Close the open connections that no operation uses yet. Running openings continue."""
        for connection in tuple(self._ready):
            self._close_ready(connection)

    async def aclose(self) -> None:
        """End all openings. Operations that wait for a connection get ConnectionLost."""
        self._closed = True
        self.expire()
        running = tuple(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


def _close(connection: Any) -> None:
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()
