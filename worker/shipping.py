"""Shipping: what stands in a journal goes to PostgreSQL, keyed by (job, seq).

A job ships its own records while it lives; once it is gone its worker ships what is left. A
repeat does nothing, so neither needs to know how far the other came.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from states import FileJournal, JournalError, Lifecycle, MemoryJournal
from states.journal import JournalLocked
from worker.store.errors import DatabaseError
from worker.store.jobs import JobHeader, ship
from worker.store.pool import Database

logger = logging.getLogger(__name__)

#: Records come in bursts (a transition, its conditions): so long one waits for the next.
_BATCH_S = 0.1
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 15.0

_shippers: set[asyncio.Task[None]] = set()


def ship_live(life: Lifecycle, database: Database) -> None:
    """Ship a job's records as they are written, until its loop ends; starts with all there are."""
    journal = life.journal
    assert isinstance(journal, MemoryJournal)  # noqa: S101  # both journals of ours are one
    waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for record in journal.records:
        waiting.put_nowait(record)
    journal.subscribe(waiting.put_nowait)
    header = JobHeader(job_id=str(journal.records[0]["job_id"])).with_records(journal.records)
    task = asyncio.create_task(_ship_forever(database, header, waiting), name="shipper")
    _shippers.add(task)
    task.add_done_callback(_shippers.discard)


async def stop_shipping() -> None:
    """Stop: what is not shipped yet stays in the journal, for the worker."""
    for task in tuple(_shippers):
        task.cancel()
    if _shippers:
        await asyncio.wait(tuple(_shippers))


async def _ship_forever(
    database: Database, header: JobHeader, waiting: asyncio.Queue[dict[str, Any]]
) -> None:
    delay_s = _FIRST_DELAY_S
    batch: list[dict[str, Any]] = []
    while True:
        if not batch:
            batch.append(await waiting.get())
        await asyncio.sleep(_BATCH_S)
        while not waiting.empty():
            batch.append(waiting.get_nowait())
        try:
            await ship(database, header, batch)
        except DatabaseError as error:
            logger.warning("the journal waits for the database: %s", error)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)
            continue
        batch, delay_s = [], _FIRST_DELAY_S


def close_book(path: Path, *, exit_code: int | None, signal: int | None) -> list[dict[str, Any]]:
    """Write how the process of a job that is gone ended, and return all of its records.

    Raises JournalError where the journal cannot be read, JournalLocked where the job lives.
    """
    journal = FileJournal(path)
    try:
        records = journal.records
        if journal.torn_bytes:
            logger.warning("a torn line was cut off", extra={"bytes": journal.torn_bytes})
        if not any(record["kind"] == "exit" for record in records):
            t = float(records[-1]["t"]) if records else 0.0
            journal.append("exit", t, exit_code=exit_code, signal=signal)
        return records
    finally:
        journal.close()


async def ship_book(
    database: Database, path: Path, *, exit_code: int | None = None, signal: int | None = None
) -> bool:
    """Ship the journal of a job whose process is gone, and put it away. False where it lives.

    Raises DatabaseError: it stays where it is, to be shipped later.
    """
    try:
        records = await asyncio.to_thread(close_book, path, exit_code=exit_code, signal=signal)
    except JournalLocked:
        return False
    except JournalError as error:
        logger.error("a journal cannot be shipped: %s", error)
        return False
    # The file's name: a job that died before its first record has written no other.
    await ship(database, JobHeader(job_id=path.stem).with_records(records), records)
    await asyncio.to_thread(_put_away, path)
    return True


def _put_away(path: Path) -> None:
    shipped = path.parent / "shipped"
    shipped.mkdir(exist_ok=True)
    path.rename(shipped / path.name)
