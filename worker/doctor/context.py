"""The context that every check receives: settings, connections, and the cleanups of the checks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from worker.livekit_api.client import LiveKitClient
from worker.store.connection import connect
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.tls import with_tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.config.settings import Settings

T = TypeVar("T")

_THREAD = "doctor"

#: Default timeout of a cleanup in seconds.
_CLEAN_UP_S = 3.0
#: Timeout of a connection attempt to the database in seconds.
_CONNECT_S = 4.0


class CheckContext:
    """The settings, the embedded database server, and the cleanups that checks register.

    Use a CheckContext as an async context manager. On exit, the cleanups run in reverse order, also
    after Ctrl-C and after a timeout.
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
    def livekit(self) -> LiveKitClient:
        """A client for the LiveKit server of the settings."""
        return LiveKitClient.of(self.settings)

    def afterwards(
        self, put_back: Callable[[], Awaitable[object]], *, budget_s: float = _CLEAN_UP_S
    ) -> None:
        """Register a cleanup with the timeout `budget_s`. Errors of the cleanup are ignored."""

        async def bounded() -> None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(budget_s):
                    await put_back()

        self._stack.push_async_callback(bounded)

    async def database_url(self) -> str:
        """Return the URL of the configured database, or of an embedded server.

        The embedded server is started on the first call and runs until the exit of this context.
        Raises EmbeddedPostgresError if the embedded server does not start, and DatabaseUrlInvalid
        if the configured URL is invalid.
        """
        if url := self.settings.database_url.get_secret_value():
            return with_tls(url, self.settings.database_tls)
        if self._embedded is None:
            start = EmbeddedPostgres.start(self.settings.data_dir)
            self._embedded = asyncio.create_task(start, name="start-postgresql")
            self._stack.push_async_callback(self._leave_embedded, self._embedded)
        # Shield the start of the server, because other checks wait for it too and this check may
        # time out.
        return (await asyncio.shield(self._embedded)).url

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Open a database connection that belongs to no pool, and close it after the block.

        Raises one of the errors in `CONNECTION_FAILURES` if the connection fails.
        """
        connection = await connect(
            await self.database_url(),
            timeout_s=_CONNECT_S,
            application="interview-worker doctor",
        )
        try:
            yield connection
        finally:
            # Terminate the connection instead of closing it. Otherwise a check that is cancelled
            # during a statement would wait for the server.
            connection.terminate()

    @staticmethod
    async def _leave_embedded(starting: asyncio.Task[EmbeddedPostgres]) -> None:
        starting.cancel()
        # Wait for a start of the server that is still running, which has its own time limit.
        await asyncio.wait({starting})
        if not starting.cancelled() and starting.exception() is None:
            await starting.result().aclose()


async def run_in_daemon_thread(call: Callable[[], T]) -> T:
    """Run a blocking call in a daemon thread, so that a call that hangs can be abandoned.

    An executor is unsuitable, because at exit the interpreter waits for the threads of executors.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def report(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # a T, as `call` returned

    def run() -> None:
        result, error = None, None
        try:
            result = call()
        except Exception as raised:  # any error is passed to the caller
            error = raised
        with contextlib.suppress(RuntimeError):  # the event loop is closed, so no caller waits
            loop.call_soon_threadsafe(report, result, error)

    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    return await future


def still_blocked() -> bool:
    """Return True if an abandoned call of `run_in_daemon_thread` is still running.

    While an abandoned call runs, the interpreter must not exit normally. If a thread returns from
    native code during a normal exit, the process aborts (SIGABRT).
    """
    return any(thread.name == _THREAD for thread in threading.enumerate())
