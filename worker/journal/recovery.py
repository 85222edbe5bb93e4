"""Journals of ended jobs: completed with an exit record, ingested, and moved away.

A journal may be torn by a machine crash, damaged by a disk, or edited by hand. All readable records
of a damaged journal go into the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from states import FileJournal, JournalError, MemoryJournal
from states.journal import JournalGone, JournalLocked, JournalTooNew, read_records
from worker.aio.threads import in_thread_within
from worker.journal.refusals import RecordsRefused, RefusedRecord, store_all_but_refused
from worker.journal.shipper import BATCH
from worker.store.jobs import JobHeader, last_seq, ship
from worker.store.journal_rows import RecordInvalid, record_row

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.database import Database

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Subfolder of the journal folder for journals whose records are all in the database.
SHIPPED: Final = "shipped"
#: Subfolder of the journal folder for journals that were only partly readable, or with records that
#: the database refused. Such a journal stays there until an operator removes it.
DAMAGED: Final = "damaged"
#: Maximum seconds to wait until a journal is read and closed, or moved. Reading the largest journal
#: takes some seconds. A disk that needs more time hangs, and a redispatch must not wait for it.
DISK_WITHIN_S: Final = 30.0


class JournalUnreachable(JournalError):
    """Raised if the disk did not answer in time. The operation may still succeed later."""


class Ingestion(Enum):
    """Result of an attempt to ingest a journal. In a boolean context, only STORED is true."""

    STORED = "stored"
    #: Another process has the journal open for writing.
    RUNNING = "running"
    #: The journal no longer exists, because another worker on this machine has moved it.
    GONE = "gone"

    def __bool__(self) -> bool:
        return self is Ingestion.STORED


class JournalForeign(JournalError):
    """Raised if the header of a journal names another job than the file's name does."""


@dataclass(frozen=True, kw_only=True)
class JournalContents:
    """Contents of a journal. The contents that `close_journal` returns include the exit record."""

    records: list[dict[str, Any]]
    #: Number of lines that are not valid records.
    damaged: int


def close_journal(path: Path, *, exit_code: int | None, signal: int | None) -> JournalContents:
    """Append the exit record to the journal of an ended job, and return the journal's records.

    If the disk refuses the exit record, only the returned records contain it. Raises JournalLocked
    if the job is still running, JournalGone if another worker on this machine has moved the
    journal, JournalTooNew if a record has a newer format, JournalForeign if the journal belongs to
    another job, and JournalError if nothing can be read.
    """
    with _opened(path) as (journal, damaged):
        records = _own(path, journal.records)
        if not any(each["kind"] == "exit" and _can_be_stored(each) for each in records):
            t = float(records[-1]["t"]) if records else 0.0
            if damaged:
                fault = {"where": "journal", "error": "JournalDamaged", "lines": damaged}
                journal.append("fault", t, **fault)
            missing = _missing(records)
            if missing:
                logger.error(
                    "a journal has gaps",
                    extra={"event": "journal_has_gaps", "job_id": path.stem, "missing": missing},
                )
            _append_exit(journal, t, {"exit_code": exit_code, "signal": signal}, missing)
        return JournalContents(records=records, damaged=damaged)


def _can_be_stored(record: dict[str, Any]) -> bool:
    """Return whether the database can store a record.

    A job counts as running in the database until its exit record is stored.
    """
    try:
        record_row(record)
    except RecordInvalid:
        return False
    return True


def read_journal(path: Path) -> JournalContents:
    """Return the readable part of a journal that no process writes.

    Raises JournalTooNew if a record has a newer format, JournalForeign if the journal belongs to
    another job, and JournalError if nothing can be read.
    """
    found = read_records(path, pass_over_damage=True)
    return JournalContents(records=_own(path, found.records), damaged=found.damaged)


def _own(path: Path, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `records`.

    Raises JournalForeign if the records name another job than the file name.
    """
    if records and records[0].get("job_id", path.stem) != path.stem:
        raise JournalForeign(f"{path} is the journal of another job: was it renamed?")
    return records


@contextmanager
def _opened(path: Path) -> Iterator[tuple[MemoryJournal, int]]:
    """Open the journal for writing, or a copy in memory if the file is damaged or read-only."""
    try:
        journal = FileJournal(path, again=True)
    except (JournalLocked, JournalGone, JournalTooNew):
        raise
    except JournalError as error:
        with _locked(path):
            found = read_records(path, pass_over_damage=True)
        logger.error(
            "%d lines of a journal cannot be read: %s",
            found.damaged,
            error,
            extra={"event": "journal_lines_unreadable"},
        )
        copy = MemoryJournal(next_seq=_after(found.records))
        copy.records = found.records
        yield copy, found.damaged
        return
    if journal.torn_bytes:
        logger.warning(
            "the torn last line of a journal was cut off",
            extra={"event": "journal_line_torn", "bytes": journal.torn_bytes},
        )
    try:
        yield journal, 0
    finally:
        journal.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a journal file that this process can only read.

    Raises JournalError if the file cannot be opened, and JournalLocked if another process holds the
    lock.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO would wait.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise JournalError(f"cannot read the journal {path}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise JournalLocked(path) from error
    except OSError as error:  # the file system has no locks
        raise JournalError(f"cannot lock the journal {path}: {error.strerror}") from error
    finally:
        os.close(fd)


def _append_exit(journal: MemoryJournal, t: float, end: dict[str, Any], missing: int) -> None:
    fields = {**end, "missing": missing} if missing else end
    try:
        journal.append("exit", t, **fields)
    except JournalError as error:
        logger.error(
            "writing the exit record to disk failed: %s",
            error,
            extra={"event": "exit_record_not_written"},
        )
        memory = MemoryJournal(next_seq=_after(journal.records))
        journal.records.append(memory.append("exit", t, **fields))


def _after(records: list[dict[str, Any]]) -> int:
    return max((int(record["seq"]) for record in records), default=-1) + 1


def _missing(records: list[dict[str, Any]]) -> int:
    """Return the number of missing records, counted as gaps in the sequence numbers."""
    return max(0, _after(records) - len({record["seq"] for record in records}))


async def ingest_journal(
    database: Database, path: Path, *, exit_code: int | None = None, signal: int | None = None
) -> Ingestion:
    """Ingest the journal of a job whose process has ended, and move the file away.

    Raises DatabaseError if the database fails, and SchemaDiffers if this worker cannot use the
    database's schema. After DatabaseError or SchemaDiffers, the file stays in its folder for a
    later attempt. If the database refuses some of the records for good, all others are stored, and
    the file is kept in the folder DAMAGED. Raises JournalError if the disk does not answer, or if
    an operator must repair or move the file. Raises OSError if the file was ingested but could not
    be moved.
    """
    closing = partial(close_journal, path, exit_code=exit_code, signal=signal)
    try:
        book = await _on_disk("close-book", closing)
    except JournalLocked:
        return Ingestion.RUNNING
    except JournalGone:
        return Ingestion.GONE
    folder = DAMAGED if book.damaged else SHIPPED
    try:
        await ingest_records(database, path.stem, book.records)
    except RecordsRefused as error:
        folder = DAMAGED
        logger.error(
            "records of a journal are not in the database, so the journal is kept: %s",
            error,
            extra={"event": "journal_records_refused", "job_id": path.stem, "seqs": error.seqs},
        )
    await _on_disk("put-away", partial(_put_away, path, folder))
    return Ingestion.STORED


async def _on_disk(name: str, call: Callable[[], T]) -> T:
    """Run `call` in a thread.

    Raises JournalUnreachable if `call` takes longer than `DISK_WITHIN_S`.
    """
    try:
        return await in_thread_within(name, call, DISK_WITHIN_S)
    except TimeoutError as error:
        message = f"the disk did not answer for {DISK_WITHIN_S:g} s"
        raise JournalUnreachable(message) from error


async def ingest_records(database: Database, job_id: str, records: list[dict[str, Any]]) -> int:
    """Ingest all records of an ended job in batches; return how many were new.

    `records` ends with the exit record. If the job's disk was full, the job may have ingested
    records that are not in its journal file; the exit record then gets the sequence number after
    the last ingested record. Raises DatabaseError if the database fails, SchemaDiffers if this
    worker cannot use the schema, and RecordsRefused if the database refuses some of the records for
    good (all other records are stored).
    """
    # The caller takes the job id from the file's name, because the journal of a job that died early
    # has no header record.
    header = JobHeader(job_id=job_id).with_records(records)
    if records and records[-1]["kind"] == "exit":
        there = await last_seq(database, job_id, but="exit")
        if there is not None and there >= records[-1]["seq"]:
            records = [*records[:-1], {**records[-1], "seq": there + 1}]
    store = partial(ship, database, header)
    written = 0
    refused: list[RefusedRecord] = []
    for start in range(0, max(1, len(records)), BATCH):
        stored = await store_all_but_refused(store, records[start : start + BATCH])
        written += stored.written
        refused += stored.refused
    if refused:
        raise RecordsRefused(job_id, written=written, refused=refused)
    return written


def _put_away(path: Path, folder: str) -> None:
    away = path.parent / folder
    away.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # another worker on this machine moved it
        path.rename(away / path.name)
