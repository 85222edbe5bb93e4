"""Cancel tasks and wait for their end."""

from __future__ import annotations

import asyncio
from typing import Any


async def cancel_and_wait(*futures: asyncio.Future[Any]) -> None:
    """Cancel tasks, and return when all of them are done. Exceptions of the tasks are ignored.

    The function also waits for a task that catches its cancellation and continues. Cancelling the
    caller ends the wait.
    """
    for future in futures:
        future.cancel()
    if futures:
        await asyncio.wait(futures)
