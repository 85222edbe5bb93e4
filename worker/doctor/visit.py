"""One visit of the doctor: what the checks share, and what has to be put back afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import asyncpg

from worker.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.settings import Settings

T = TypeVar("T")

_THREAD = "doctor"

#: Seconds for each thing that is put back.
_CLEAN_UP_S = 3.0
#: Seconds to connect to the database.
_CONNECT_S = 4.0


class Visit:
    """The settings, and all that checks open. An async context manager: leaving it puts back.

    What is put back is put back also on Ctrl-C and after a time-out, the last opened first.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = AsyncExitStack()
        self._embedded: asyncio.Task[EmbeddedPostgres] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def livekit(self) -> tuple[str, str, str]:
        """The LiveKit server's URL, a key, and its secret."""
        settings = self.settings
        secret = settings.livekit_api_secret.get_secret_value()
        return settings.livekit_url, settings.livekit_api_key, secret

    def afterwards(
        self, put_back: Callable[[], Awaitable[object]], *, budget_s: float = _CLEAN_UP_S
    ) -> None:
        """Have this called at the end, for `budget_s` at the most; what it raises is let go."""

        async def bounded() -> None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(budget_s):
                    await put_back()

        self._stack.push_async_callback(bounded)

    async def database_url(self) -> str:
        """The URL of the settings, or that of the embedded server, which runs until the end.

        Raises EmbeddedPostgresError.
        """
        if url := self.settings.database_url.get_secret_value():
            return url
        if self._embedded is None:
            start = EmbeddedPostgres.start(self.settings.data_dir)
            self._embedded = asyncio.create_task(start, name="start-postgresql")
            self._stack.push_async_callback(self._leave_embedded, self._embedded)
        # A check that is out of time gives up its waiting, not the start.
        return (await asyncio.shield(self._embedded)).url

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection of the caller's own to the database, outside any pool.

        Raises what asyncpg does, OSError and TimeoutError.
        """
        connection = await asyncpg.connect(
            await self.database_url(),
            timeout=_CONNECT_S,
            # As the worker's pool: PgBouncer's transaction mode.
            statement_cache_size=0,
            server_settings={"application_name": "interview-worker doctor"},
        )
        try:
            yield connection
        finally:
            # Whoever was cancelled in mid-statement waits for no server's farewell.
            connection.terminate()

    @staticmethod
    async def _leave_embedded(starting: asyncio.Task[EmbeddedPostgres]) -> None:
        starting.cancel()
        # A start that is under way ends by itself, within its own budget.
        await asyncio.wait({starting})
        if not starting.cancelled() and starting.exception() is None:
            await starting.result().aclose()


async def aside(call: Callable[[], T]) -> T:
    """Call what blocks in a daemon thread: one that hangs (a disk, a model) keeps nobody waiting.

    Executors will not do: the interpreter's end waits for their threads.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def report(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # what `call` has returned

    def run() -> None:
        result, error = None, None
        try:
            result = call()
        except Exception as raised:  # the caller's to sort out
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(report, result, error)

    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    return await future


def still_blocked() -> bool:
    """Whether a call of `aside` goes on that nobody waits for any more.

    The interpreter must not end in the usual way then: a thread that comes back from native code
    meanwhile is ended inside it, and takes the process with it (SIGABRT).
    """
    return any(thread.name == _THREAD for thread in threading.enumerate())
