"""Blocking work beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def in_thread(name: str, call: Callable[[], T]) -> T:
    """Call it in a thread of its own.

    Not the loop's default executor: that has few threads, which calls that hang would use up, and
    the end of the loop waits for it. The end of the process waits for this one as well; what ends
    a process all the same is `last_resort.py` and, of a job, `process.py`. A cancelled caller
    leaves the call to its end.
    """
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, call)
    finally:
        executor.shutdown(wait=False)
