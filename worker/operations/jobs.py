"""Find a job's journal and history, and ingest journals again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from states import History, JournalError
from worker.journal.recovery import DAMAGED, SHIPPED, ingest_records, read_journal
from worker.operations.errors import JobNotFound
from worker.store.errors import DatabaseOperationFailed
from worker.store.jobs import records_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from worker.config.settings import Settings
    from worker.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """Result of ingesting journals again."""

    #: Records that the database did not have.
    new_records: int
    #: One error for each journal that could not be read or stored.
    errors: list[Exception] = field(default_factory=list)


async def find_history(
    settings: Settings,
    job: str,
    open_database: Callable[[Settings], AbstractAsyncContextManager[Database]],
) -> History:
    """Return a job's history, from its journal on this machine or from the database.

    Args:
        settings: The folder of the journals.
        job: The job's id, or the path of a journal (`*.jsonl`).
        open_database: Opens the database; called only if this machine has no journal.

    Raises JobNotFound, JournalError for a journal that cannot be read, DatabaseError.
    """
    path = Path(job) if job.endswith(".jsonl") else journal_path(settings, job)
    if path is not None:
        if not path.exists():
            raise JobNotFound(f"there is no journal {path}")
        return History.read(path)
    async with open_database(settings) as db:
        records = await records_of(db, job)
    if not records:
        raise JobNotFound(f"there is no job {job!r}; `interview-worker jobs list` lists the jobs")
    return History.from_records(records)


def journal_path(settings: Settings, job_id: str) -> Path | None:
    """Return the journal of a job on this machine, ingested or not; None if it has none.

    Raises JournalError for an id that no job can have.
    """
    if "/" in job_id or job_id.startswith("."):
        raise JournalError(f"{job_id!r} is not a job's id")
    for folder in (settings.journal_dir, settings.journal_dir / SHIPPED):
        path = folder / f"{job_id}.jsonl"
        if path.is_file():
            return path
    return None


def kept_journals(settings: Settings) -> list[Path]:
    """Return the journals that were ingested or set aside, and are still on this machine."""
    folders = (settings.journal_dir / name for name in (SHIPPED, DAMAGED))
    return sorted(path for folder in folders for path in folder.glob("*.jsonl"))


async def ingest(db: Database, journals: Sequence[Path]) -> Ingested:
    """Store journals in the database, record by record; records that it has stay as they are."""
    new, errors = 0, list[Exception]()
    for path in journals:
        try:
            book = await asyncio.to_thread(read_journal, path)
            new += await ingest_records(db, path.stem, book.records)
        except (JournalError, DatabaseOperationFailed) as error:
            errors.append(error)
    return Ingested(new_records=new, errors=errors)
