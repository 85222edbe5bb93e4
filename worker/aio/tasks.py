"""Ending tasks."""

from __future__ import annotations

import asyncio
from typing import Any


async def cancel_and_wait(*futures: asyncio.Future[Any]) -> None:
    """Cancel tasks and return once each is done, whatever it raised.

    A task that catches its cancellation and continues is waited for. Cancelling the caller ends
    the wait.
    """
    for future in futures:
        future.cancel()
    if futures:
        await asyncio.wait(futures)
