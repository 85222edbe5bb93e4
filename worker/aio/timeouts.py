"""A timeout that holds even if the awaited code ignores its cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class CancelledInside(Exception):
    """Raised when the awaited code was cancelled, but not by its caller."""


async def run_with_timeout(work: Coroutine[Any, Any, T], budget_s: float) -> T:
    """Await `work` for at most `budget_s` seconds, in a separate task.

    `asyncio.timeout` waits without limit for code that catches its cancellation, and mistakes a
    CancelledError raised by that code for a cancellation of the caller. This function abandons code
    that does not end on cancellation, and converts a CancelledError of `work` to an ordinary error.
    Cancelling the caller cancels `work`.

    Raises TimeoutError if `work` takes longer than `budget_s`, and CancelledInside if `work` was
    cancelled, but not by the caller. An exception that `work` raises is raised unchanged.
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
    """Retrieve the exception of a task that may never be awaited. Used as a done callback."""
    if not task.cancelled():
        task.exception()
