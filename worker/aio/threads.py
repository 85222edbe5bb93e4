"""Blocking calls outside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def in_thread(name: str, call: Callable[[], T]) -> T:
    """Run `call` in a thread of its own.

    The loop's default executor is not used: it has few threads, which hanging calls would use up,
    and the end of the loop waits for it. The end of the process waits for this thread too.
    `last_resort.py` and, in a job, `process.py` end the process anyway. If the caller is cancelled,
    the call still runs to its end.
    """
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, call)
    finally:
        executor.shutdown(wait=False)
