"""Run blocking calls outside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


async def in_thread(name: str, call: Callable[[], T]) -> T:
    """Run `call` in a new thread, and return the result.

    The event loop's default executor is not used: hanging calls would use up its few threads, and
    `asyncio.run` would wait for the threads at its end. A normal exit of the process waits for the
    new thread too. Therefore `worker/server/watchdog.py` ends the main process, and
    `worker/job/entrypoint.py` a job process, even if the thread hangs. If the caller is cancelled,
    `call` still runs to its end.
    """
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, call)
    finally:
        executor.shutdown(wait=False)


class EngineThread:
    """A dedicated thread for the blocking calls of one speech engine. `aclose` ends the thread."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._calls: set[Future[Any]] = set()
        self._closed = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` in the thread, after all calls that were submitted earlier.

        If the caller is cancelled, a call that has begun still runs to its end.

        Raises:
            RuntimeError: The thread was closed.
        """
        if self._closed:
            raise RuntimeError("the thread was closed")
        future = self._pool.submit(call, *args, **kwargs)
        self._calls.add(future)
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._calls.discard(future)

    async def aclose(self) -> None:
        """End the thread: drop waiting calls, and wait for a call that has begun."""
        if self._closed:
            return
        self._closed = True
        for call in self._calls:
            call.cancel()
        # The thread runs its calls in order. This empty call returns when all earlier calls have
        # ended, so that the blocking shutdown has nothing to wait for.
        await asyncio.wrap_future(self._pool.submit(int))
        self._pool.shutdown()
