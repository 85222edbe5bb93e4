"""Asynchronous steps for tests that succeed, hang, or fail in every possible way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

#: Maximum number of cancellations that one task may swallow in a test.
_MOST_CANCELLATIONS: Final = 10


async def done() -> None:
    """Return at once."""


async def for_ever() -> None:
    """Hang until cancelled."""
    await asyncio.Event().wait()


async def deaf() -> None:
    """Hang, and swallow the first cancellation."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        await asyncio.sleep(1000)


async def broken() -> None:
    """Raise an error whose message must not reach any record."""
    raise ValueError("Ada Lovelace said: hello")


async def cancelled_inside() -> None:
    """Raise CancelledError, as if other code had cancelled an awaited task."""
    raise asyncio.CancelledError


def after(seconds: float, value: object = "late") -> Callable[[], Awaitable[Any]]:
    """Return a step that takes `seconds` and returns `value`."""

    async def step() -> object:
        await asyncio.sleep(seconds)
        return value

    return step


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended, also tasks that swallow a cancellation.

    Two cancellations count as one if the loop does not run between them. Raises AssertionError
    if a task survives ten cancellations.
    """
    left = set(tasks)
    for _ in range(_MOST_CANCELLATIONS):
        for task in left:
            task.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=1.0)
    assert not left, left


async def end_what_is_left() -> None:
    """End all tasks that a test has left on its event loop."""
    me = asyncio.current_task()
    await end(*(task for task in asyncio.all_tasks() if task is not me))
