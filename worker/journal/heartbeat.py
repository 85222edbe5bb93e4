"""Heartbeat of a job: its event loop touches the journal file once a second.

The main process reads the journals anyway, and therefore notices a blocked event loop or a stopped
job process within seconds, without another channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from states import FileJournal, Journal
from worker.aio.tasks import cancel_and_wait, log_failure

#: Seconds between two heartbeats.
EVERY_S: Final = 1.0


@asynccontextmanager
async def heartbeat(journal: Journal) -> AsyncIterator[None]:
    """Send heartbeats while the block runs.

    An in-memory journal gets no heartbeats, because no other process can read it.
    """
    if not isinstance(journal, FileJournal):
        yield
        return
    beating = asyncio.create_task(_beat(journal), name="heartbeat")
    beating.add_done_callback(log_failure)
    try:
        yield
    finally:
        await cancel_and_wait(beating)


async def _beat(journal: FileJournal) -> None:
    while True:
        journal.touch()
        await asyncio.sleep(EVERY_S)
