"""Shared context of all checks, with their cleanup."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from worker.store.connection import connect
from worker.store.embedded.client import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.config.settings import Settings

T = TypeVar("T")

_THREAD = "doctor"

#: Seconds for each cleanup.
_CLEAN_UP_S = 3.0
#: Seconds to connect to the database.
_CONNECT_S = 4.0


class CheckContext:
    """Check context: the settings and all that the checks open.

    An async context manager that cleans up on exit, last opened first, also after Ctrl-C and a
    timeout.
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
        """Register a cleanup, limited to `budget_s` seconds; its errors are ignored."""

        async def bounded() -> None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(budget_s):
                    await put_back()

        self._stack.push_async_callback(bounded)

    async def database_url(self) -> str:
        """Return the URL of the settings or of the embedded server, which then runs until the exit.

        Raises EmbeddedPostgresError.
        """
        if url := self.settings.database_url.get_secret_value():
            return url
        if self._embedded is None:
            start = EmbeddedPostgres.start(self.settings.data_dir)
            self._embedded = asyncio.create_task(start, name="start-postgresql")
            self._stack.push_async_callback(self._leave_embedded, self._embedded)
        # A check that times out stops waiting but does not cancel the start.
        return (await asyncio.shield(self._embedded)).url

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Open a database connection for the caller, outside any pool.

        Raises the errors of `CONNECTION_FAILURES`.
        """
        connection = await connect(
            await self.database_url(),
            timeout_s=_CONNECT_S,
            application="interview-worker doctor",
        )
        try:
            yield connection
        finally:
            # Terminate, so that a check cancelled in mid-statement does not wait for the server to
            # close.
            connection.terminate()

    @staticmethod
    async def _leave_embedded(starting: asyncio.Task[EmbeddedPostgres]) -> None:
        starting.cancel()
        # A pending start ends within its own budget.
        await asyncio.wait({starting})
        if not starting.cancelled() and starting.exception() is None:
            await starting.result().aclose()


async def run_in_daemon_thread(call: Callable[[], T]) -> T:
    """Run a blocking call in a daemon thread: a hanging disk or model blocks no caller.

    Executors are unsuitable: the interpreter waits for their threads at exit.
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
        except Exception as raised:  # the caller handles it
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits any more
            loop.call_soon_threadsafe(report, result, error)

    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    return await future


def still_blocked() -> bool:
    """Return whether an abandoned call of `run_in_daemon_thread` still runs.

    The interpreter must not exit normally then: a thread that returns from native code during the
    exit is ended inside it and aborts the process (SIGABRT).
    """
    return any(thread.name == _THREAD for thread in threading.enumerate())
