"""Waiting that ends in time, whatever the awaited code does with its cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class CancelledInside(Exception):
    """The awaited code was cancelled, by something else than whoever waits for it."""


async def bounded(work: Coroutine[Any, Any, T], budget_s: float) -> T:
    """Await `work` for at most `budget_s` seconds, in a task of its own.

    `asyncio.timeout` waits without limit for code that catches its cancellation, and takes a
    CancelledError that the code raises by itself for the caller's. Here code of the first kind
    is left behind, and the second kind is an error like any other. Cancelling the caller
    cancels `work`.

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
    """Take note of a task's exception, as a done callback where nobody may come to ask for it."""
    if not task.cancelled():
        task.exception()
