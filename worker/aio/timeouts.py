"""Bounded waiting that ends in time even if the awaited code ignores its cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class CancelledInside(Exception):
    """Raised when the awaited code was cancelled by something other than its caller."""


async def run_with_timeout(work: Coroutine[Any, Any, T], budget_s: float) -> T:
    """Await `work` for at most `budget_s` seconds, in a task of its own.

    `asyncio.timeout` waits without limit for code that catches its cancellation, and mistakes a
    CancelledError raised by that code for a cancellation of the caller. This function abandons code
    that does not end on cancellation, and reports an inner CancelledError as an ordinary error.
    Cancelling the caller cancels `work`.

    Raises TimeoutError, CancelledInside, and what `work` raises.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(retrieve)
    try:
        await asyncio.wait({task}, timeout=budget_s)
    finally:
        late = not task.done()
        task.cancel()
    if late:
        raise TimeoutError
    if task.cancelled():
        raise CancelledInside
    return task.result()


def retrieve(task: asyncio.Task[Any]) -> None:
    """Done callback: retrieve the exception of a task that may never be awaited."""
    if not task.cancelled():
        task.exception()
