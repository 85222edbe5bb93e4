"""Steps that succeed, hang, or fail in every way there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

#: Cancellations that one task may be deaf to in a test.
_MOST_CANCELLATIONS: Final = 10


async def done() -> None:
    """A step that takes no time."""


async def for_ever() -> None:
    """A step that hangs, and lets itself be cancelled."""
    await asyncio.Event().wait()


async def deaf() -> None:
    """A step that hangs, and catches its first cancellation."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        await asyncio.sleep(1000)


async def broken() -> None:
    """A step that raises what must not get into any record."""
    raise ValueError("Ada Lovelace said: hello")


async def cancelled_inside() -> None:
    """A step that awaits something cancelled by somebody else."""
    raise asyncio.CancelledError


def after(seconds: float, value: object = "late") -> Callable[[], Awaitable[Any]]:
    """A step that takes so long."""

    async def step() -> object:
        await asyncio.sleep(seconds)
        return value

    return step


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended, also those that are deaf to a cancellation.

    Two cancellations without a turn of the loop between them are one to a task. Raises
    AssertionError where ten of them end nothing.
    """
    left = set(tasks)
    for _ in range(_MOST_CANCELLATIONS):
        for task in left:
            task.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=1.0)
    assert not left, left


async def end_what_is_left() -> None:
    """End what a test has left behind on its event loop."""
    me = asyncio.current_task()
    await end(*(task for task in asyncio.all_tasks() if task is not me))
