"""Steps that succeed, hang, or fail in every way there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


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
