"""Run blocking calls outside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def in_thread(name: str, call: Callable[[], T]) -> T:
    """Run `call` in a new thread, and return the result.

    The event loop's default executor is not used, because that executor has few threads, which
    hanging calls would use up, and because the event loop waits for the executor at its end. The
    end of the process also waits for the new thread. `worker/server/watchdog.py`, and in a job
    `worker/job/entrypoint.py`, end the process even if the thread hangs. If the caller is
    cancelled, `call` still runs to its end.
    """
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, call)
    finally:
        executor.shutdown(wait=False)
