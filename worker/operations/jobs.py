"""Operations that find the journal and the history of a job, and ingest journals again."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from pathlib import Path
from typing import TYPE_CHECKING

from states import History, JournalError
from worker.journal.recovery import DAMAGED, SHIPPED, ingest_records, read_journal
from worker.journal.refusals import RecordsRefused
from worker.operations.errors import JobNotFound
from worker.store.errors import DatabaseOperationFailed
from worker.store.jobs import records_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from worker.config.settings import Settings
    from worker.store.database import Database


async def find_history(
    settings: Settings,
    job: str,
    open_database: Callable[[Settings], AbstractAsyncContextManager[Database]],
) -> History:
    """Return the history of a job, from its journal on this machine or from the database.

    Args:
        settings: The settings, with the folder of the journals.
        job: The job's id, or the path of a journal (`*.jsonl`).
        open_database: Opens the database. Called only if this machine has no journal of the job.

    Raises JobNotFound if neither this machine nor the database has the job, JournalError if the
    journal cannot be read, and DatabaseError if the database fails.
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
    """Return the journal of a job on this machine; None if this machine has no such journal.

    The database may or may not have the records of the journal. Raises JournalError if `job_id`
    is not a valid id of a job.
    """
    if "/" in job_id or job_id.startswith("."):
        raise JournalError(f"{job_id!r} is not a job's id")
    for folder in (settings.journal_dir, settings.journal_dir / SHIPPED):
        path = folder / f"{job_id}.jsonl"
        try:
            if path.is_file():
                return path
        except OSError as error:
            # No file can have this name, so the job has no journal here.
            if error.errno != errno.ENAMETOOLONG:
                raise
    return None


def kept_journals(settings: Settings) -> list[Path]:
    """Return the journals on this machine that were ingested, or set aside as damaged.

    Ingested journals are in the folder SHIPPED, and damaged journals in the folder DAMAGED. Raises
    OSError if a folder cannot be read; a missing folder has no journals.
    """
    found: list[Path] = []
    for name in (SHIPPED, DAMAGED):
        # Path.glob would ignore a folder without permission.
        with contextlib.suppress(FileNotFoundError):
            found += (settings.journal_dir / name).iterdir()
    return sorted(path for path in found if path.suffix == ".jsonl")


async def ingest(
    db: Database, journals: Sequence[Path], *, on_error: Callable[[Exception], None]
) -> int:
    """Store the records of journals in the database, and return the number of new records.

    Records that are already in the database are not changed. `on_error` is called, at once, with
    the error of each journal that cannot be read or stored completely. Raises DatabaseError if the
    database fails for another reason than a journal's content.
    """
    new = 0
    for path in journals:
        try:
            contents = await asyncio.to_thread(read_journal, path)
            new += await ingest_records(db, path.stem, contents.records)
        except RecordsRefused as error:
            new += error.written
            on_error(error)
        except (JournalError, DatabaseOperationFailed) as error:
            on_error(error)
    return new
