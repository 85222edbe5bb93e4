"""A thread for an engine whose calls block, used from an event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")
P = ParamSpec("P")


class EngineThread:
    """A thread of its own for the blocking calls of one engine, closed with its owner."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._calls: set[Future[Any]] = set()
        self._closed = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `call` in the thread, after whatever it is still busy with.

        A cancelled caller leaves a call that has begun to its end.

        Raises:
            RuntimeError: the thread was closed.
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
        """End the thread: calls that have not begun are dropped, one that has is waited for."""
        if self._closed:
            return
        self._closed = True
        for call in self._calls:
            call.cancel()
        # The thread takes its calls in order: this one returns when the thread is idle, so that
        # the shutdown, which blocks, has nothing left to wait for.
        await asyncio.wrap_future(self._pool.submit(int))
        self._pool.shutdown()
