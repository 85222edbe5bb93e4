"""The journal of a job whose process is gone: closed, shipped, and put away.

It may have been torn by a machine that died, damaged by a disk, or edited by hand. Whatever can be
read of it goes into the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from states import FileJournal, JournalError, MemoryJournal
from states.journal import JournalGone, JournalLocked, JournalTooNew, read_records
from worker.in_thread import in_thread
from worker.shipping import BATCH
from worker.store.jobs import JobHeader, ship
from worker.store.records import last_seq

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.pool import Database

logger = logging.getLogger(__name__)

#: The folder beside the journals for those that are in the database.
SHIPPED: Final = "shipped"
#: And for those of which only a part could be read; they are kept until somebody removes them.
DAMAGED: Final = "damaged"


class JournalForeign(JournalError):
    """A journal that names another job than its file does."""


@dataclass(frozen=True, kw_only=True)
class Book:
    """What a journal holds, with how its process ended as the last record."""

    records: list[dict[str, Any]]
    #: Lines that are no records.
    damaged: int


def close_book(path: Path, *, exit_code: int | None, signal: int | None) -> Book:
    """Write how the process of a job that is gone ended, and return all of its records.

    Where the disk does not take it, it is in what is returned alone. Raises JournalLocked where
    the job lives, JournalGone where another worker on this machine was first, JournalTooNew and
    JournalForeign, and JournalError where nothing can be read.
    """
    with _opened(path) as (journal, damaged):
        records = _own(path, journal.records)
        if not any(record["kind"] == "exit" for record in records):
            t = float(records[-1]["t"]) if records else 0.0
            if damaged:
                fault = {"where": "journal", "error": "JournalDamaged", "lines": damaged}
                journal.append("fault", t, **fault)
            missing = _missing(records)
            if missing:
                logger.error("a journal has gaps", extra={"job_id": path.stem, "missing": missing})
            _append_exit(journal, t, {"exit_code": exit_code, "signal": signal}, missing)
        return Book(records=records, damaged=damaged)


def read_book(path: Path) -> Book:
    """What can be read of a journal that nobody writes. Raises as `close_book`, but for locks."""
    found = read_records(path, pass_over_damage=True)
    return Book(records=_own(path, found.records), damaged=found.damaged)


def _own(path: Path, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records, which must be of the job that the file is named after."""
    if records and records[0].get("job_id", path.stem) != path.stem:
        raise JournalForeign(f"{path} is the journal of another job: was it renamed?")
    return records


@contextmanager
def _opened(path: Path) -> Iterator[tuple[MemoryJournal, int]]:
    """The journal to write to: in memory where its file is damaged, or cannot be written."""
    try:
        journal = FileJournal(path, again=True)
    except (JournalLocked, JournalGone, JournalTooNew):
        raise
    except JournalError as error:
        with _locked(path):
            found = read_records(path, pass_over_damage=True)
        logger.error("of a journal %d lines cannot be read: %s", found.damaged, error)
        copy = MemoryJournal(next_seq=_after(found.records))
        copy.records = found.records
        yield copy, found.damaged
        return
    if journal.torn_bytes:
        logger.warning("a torn line was cut off", extra={"bytes": journal.torn_bytes})
    try:
        yield journal, 0
    finally:
        journal.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a journal that cannot be written. Raises JournalError, JournalLocked."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise JournalError(f"cannot read the journal {path}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise JournalLocked(path) from error
    finally:
        os.close(fd)


def _append_exit(journal: MemoryJournal, t: float, end: dict[str, Any], missing: int) -> None:
    fields = {**end, "missing": missing} if missing else end
    try:
        journal.append("exit", t, **fields)
    except JournalError as error:
        logger.error("how a job ended is not on the disk: %s", error)
        memory = MemoryJournal(next_seq=_after(journal.records))
        journal.records.append(memory.append("exit", t, **fields))


def _after(records: list[dict[str, Any]]) -> int:
    return max((int(record["seq"]) for record in records), default=-1) + 1


def _missing(records: list[dict[str, Any]]) -> int:
    """How many records are not there, by the numbers of those that are."""
    return max(0, _after(records) - len({record["seq"] for record in records}))


async def ship_book(
    database: Database, path: Path, *, exit_code: int | None = None, signal: int | None = None
) -> bool:
    """Ship the journal of a job whose process is gone, and put it away.

    False where it lives, or where another worker on this machine has put it away.

    Raises DatabaseError and SchemaDiffers: it stays where it is, to be shipped later. Raises
    JournalError where it stays until somebody has looked at it, and OSError where it was shipped
    and could not be put away.
    """
    closing = partial(close_book, path, exit_code=exit_code, signal=signal)
    try:
        book = await in_thread("close-book", closing)
    except (JournalLocked, JournalGone):
        return False
    await ship_records(database, path.stem, book.records)
    folder = DAMAGED if book.damaged else SHIPPED
    await in_thread("put-away", partial(_put_away, path, folder))
    return True


async def ship_records(database: Database, job_id: str, records: list[dict[str, Any]]) -> int:
    """Ship all records of a job that is gone, in portions; returns how many were new.

    The last is how it ended. A job whose disk was full has shipped records that are on no disk:
    the end comes after them. Raises DatabaseError and SchemaDiffers.
    """
    # Not from the header alone: a job that died before its first record has written none.
    header = JobHeader(job_id=job_id).with_records(records)
    if records and records[-1]["kind"] == "exit":
        there = await last_seq(database, job_id, but="exit")
        if there is not None and there >= records[-1]["seq"]:
            records = [*records[:-1], {**records[-1], "seq": there + 1}]
    new = 0
    for start in range(0, max(1, len(records)), BATCH):
        new += (await ship(database, header, records[start : start + BATCH])).written
    return new


def _put_away(path: Path, folder: str) -> None:
    away = path.parent / folder
    away.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # another worker on this machine was first
        path.rename(away / path.name)
