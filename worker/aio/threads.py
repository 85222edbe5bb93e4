"""Run blocking calls outside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Generic, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

#: Seconds without a call after which the thread of `OrderedCalls` ends.
_IDLE_S: Final = 5.0


async def in_thread(name: str, call: Callable[[], T]) -> T:
    """Run `call` in a new thread, and return the result.

    The event loop's default executor is not used: hanging calls would use up its few threads, and
    `asyncio.run` would wait for the threads at its end. A normal exit of the process waits for the
    new thread too, so `worker/server/watchdog.py` (main process) and `worker/job/entrypoint.py`
    (job processes) force the exit if the thread hangs. If the caller is cancelled, `call` still
    runs to its end.
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


class OrderedCalls:
    """A thread that runs calls one after another, for calls that may hang, such as those to a disk.

    The thread does not keep the process alive, even if a call hangs. The first call starts the
    thread, and the thread ends after `idle_s` seconds without a call. A later call starts another
    thread.
    """

    def __init__(self, name: str, *, idle_s: float = _IDLE_S) -> None:
        self._name = name
        self._idle_s = idle_s
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._running = False

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Run `call` in the thread, after all calls that were submitted earlier. Never blocks.

        The returned future gets the result or the error of `call`. If the system cannot start a
        thread, the future gets the RuntimeError.
        """
        future: Future[T] = Future()
        with self._changed:
            self._calls.append((future, call))
            if self._running:
                self._changed.notify()
                return future
            self._running = True
            try:
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
            except RuntimeError as error:
                self._running = False
                self._calls.pop()
                future.set_exception(error)
        return future

    def _run(self) -> None:
        while (found := self._next()) is not None:
            future, call = found
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            if not self._calls:
                self._changed.wait(self._idle_s)
            if self._calls:
                return self._calls.popleft()
            self._running = False
            return None


async def done_within(future: Future[Any], within_s: float) -> bool:
    """Wait until a call of `OrderedCalls` has ended; return False if it needs more time.

    The call continues after a timeout, and also if the caller is cancelled.
    """
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell(_: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has been closed
            loop.call_soon_threadsafe(ended.set)

    if not future.done() and within_s > 0.0:
        future.add_done_callback(tell)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await ended.wait()
    return future.done()


async def in_thread_within(name: str, call: Callable[[], T], within_s: float) -> T:
    """Run `call` in a new thread, and return the result.

    Unlike the thread of `in_thread`, the thread of this function does not keep the process alive.
    Raises TimeoutError if the call needs more than `within_s` seconds; the call continues after
    that.
    """
    calling = OrderedCalls(name, idle_s=0.0).submit(call)
    if not await done_within(calling, within_s):
        raise TimeoutError
    return calling.result()


class LastAnswer(Generic[T]):
    """The last result of a function that may hang, which is called in a separate thread.

    Args:
        name: Name of the thread.
        first: The result that `ask` returns until the first call has ended.
        within_s: Maximum seconds that `ask` waits for a call. If the call takes longer, `ask`
            returns the last result; until that call has ended, `ask` returns the last result at
            once.
    """

    def __init__(self, name: str, first: T, *, within_s: float) -> None:
        self._calls = OrderedCalls(name)
        self._within_s = within_s
        self._answer = first
        self._asked: Future[T] | None = None

    async def ask(self, question: Callable[[], T]) -> T:
        """Return the result of `question`, or the last result if `question` takes too long.

        If an earlier call has not ended in time, `ask` checks that call again instead of calling
        `question`. An exception of the call is raised unchanged.
        """
        patience_s = 0.0 if self._asked is not None else self._within_s
        asked = self._asked = self._asked or self._calls.submit(question)
        if await done_within(asked, patience_s):
            self._asked = None
            self._answer = asked.result()
        return self._answer
