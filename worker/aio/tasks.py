"""Cancel tasks, wait for their end, and report their errors."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

logger = logging.getLogger(__name__)


async def cancel_and_wait(*futures: asyncio.Future[Any]) -> None:
    """Cancel tasks, and return when all of them are done. Exceptions of the tasks are ignored.

    The function also waits for a task that catches its cancellation and continues. Cancelling the
    caller ends the wait.
    """
    for future in futures:
        future.cancel()
    if futures:
        await asyncio.wait(futures)


def log_failure(task: asyncio.Task[Any]) -> None:
    """Log the exception with which a task ended. Used as a done callback.

    Without this callback, the exception of a task that is not awaited is reported only when the
    task is removed from memory, or never.
    """
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error(
            "a background task ended with an error: %s",
            task.get_name(),
            exc_info=error,
            extra={"event": "background_task_failed"},
        )
