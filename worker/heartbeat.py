"""A job's sign of life: its journal is touched by its event loop, once a second.

The main process reads the journals anyway; it needs no other channel to see a job whose loop is
blocked or whose process is stopped, and sees it within seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from livekit.agents.utils import aio

from states import FileJournal, Journal

#: Seconds between two of them.
EVERY_S: Final = 1.0


@asynccontextmanager
async def heartbeat(journal: Journal) -> AsyncIterator[None]:
    """Beat while the block runs. A journal that is only in memory has nobody to read it."""
    if not isinstance(journal, FileJournal):
        yield
        return
    beating = asyncio.create_task(_beat(journal), name="heartbeat")
    try:
        yield
    finally:
        await aio.cancel_and_wait(beating)


async def _beat(journal: FileJournal) -> None:
    while True:
        journal.touch()
        await asyncio.sleep(EVERY_S)
