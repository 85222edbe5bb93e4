"""The journal of a job: an append-only JSON Lines file. Events are written before they take effect.

Each line is one record with the fields `v` (format version), `seq`, `at` (UTC, ISO 8601), `t`
(seconds since the job was received) and `kind`. A record with a value that JSON cannot hold is
written with a replacement for the value, and the field `replaced` lists the names of such fields.
The kind determines the other fields:

job         the header, always with seq 0: job_id, room, worker_id, pid, budgets (seconds by state),
            host (the machine's name) and boot_id (the operating system's id of this boot, if it has
            one); of an interview also interview_id; of a job that continues the work of an earlier
            job also follows_job (the earlier job) and follows_why (the reason for the new job);
            also faults (set by INTERVIEW_FAULTS) and ends (declared by the application), if any
transition  from, event, to, outcome, reason
internal    state, event: an event that changed no state
clock       state, event: whether time counts for the limit of RUNNING: clock_stopped while the
            candidate is absent or hears nothing, then clock_resumed; or state, earlier_s: the
            seconds of that limit that earlier jobs of the interview have used
lease       token: the fencing token of the lease that the job has taken
condition   resource, status, reason, message, required, since
step        name, ok, reason, elapsed_ms, attempts: a timed step of start-up or shutdown, which
            began elapsed_ms before t; for a loader also needs (the resources that the loader
            waited for) and budget_s
turn        speaker, question_id, role, text, generated, heard, interrupted, latency (seconds by
            part); for the candidate also hearing (the seq of the last hearing record whose words
            the turn contains) and typed (true if the candidate typed the text)
hearing     final, interim, question_id: a part of an unfinished answer; `final` has the words that
            became final since the previous hearing record, `interim` the words that are not final
dialogue    an input of the dialogue, and the row of the dialogue's table that was taken for it:
            format, number, input, table, token, name, phase, row, move, to, effect and others
            (docs/reference/journal.md)
fault       where, error: an error that the job survived; some errors have further fields: seconds,
            rung, silent_s, away_s, call, stalled_s, said, lines, messages
exit        exit_code, signal: written by the worker after the job's process has exited; also
            missing, the number of records that the journal lacks, if it has a gap
"""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from states._record_line import REPLACED, encoded

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
#: Maximum number of digits of a version that an error shows.
_LONGEST_VERSION = 20
#: Limit of a record's time `t`, in seconds. A larger number means that the record is damaged.
MOST_S = 1e12
#: Largest sequence number of a record: the largest whole number that every reader of JSON keeps. A
#: larger number means a damaged record.
_MOST_SEQ = 2**53
#: Limit of a journal's size, in bytes. A job may run for a day (`Budget.most_s`) and writes what it
#: hears at most once a second until the sentence is complete: 86,400 records, each of at most about
#: 2 KiB, are 170 MiB. Turns, steps and conditions add little to this size.
MAX_BYTES = 256 << 20

Record = dict[str, Any]


class JournalError(Exception):
    """Raised when the journal cannot be written or read."""


class JournalLocked(JournalError):
    """Raised when another process has this journal open for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is being written by another process")


class JournalGone(JournalError):
    """Raised when a journal that is reopened does not exist any more.

    Another process has moved or removed the file.
    """


class JournalDamaged(JournalError):
    """Raised when a line of a journal is not a valid record, and the line is not the last one."""


class JournalTooNew(JournalError):
    """Raised when a journal contains a record of a newer format version.

    A record of a newer version is complete, so it must never be truncated like an incomplete last
    line.
    """


class Journal(Protocol):
    """The log of a lifecycle. An event is written to the log before the event takes effect."""

    def append(self, kind: str, t: float, /, **fields: Any) -> Record:
        """Write one record and return it. Raises JournalError if the write fails."""
        ...

    async def commit(self) -> None:
        """Wait until all appended records would survive a crash of the computer."""
        ...

    def close(self) -> None:
        """Close the journal for writing. May be called twice."""
        ...


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


class MemoryJournal:
    """A journal in memory, for tests and for jobs whose disk has failed."""

    def __init__(self, *, now: Callable[[], datetime] = utc_now, next_seq: int = 0) -> None:
        self.records: list[Record] = []
        self._now = now
        self._next_seq = next_seq
        self._subscribers: list[Callable[[Record], None]] = []

    def subscribe(self, reader: Callable[[Record], None]) -> None:
        """Call `reader` with every record that is written from now on, right after the write."""
        self._subscribers.append(reader)

    def append(self, kind: str, t: float, /, **fields: Any) -> Record:
        """Store one record, and return the stored record.

        A value that JSON cannot hold is replaced. A field with the name of a basic field, such as
        `seq`, is left out. The record's field `replaced` has the names of all replaced and omitted
        fields.
        """
        # Encode the record first, because a record that failed to be encoded later would keep all
        # following records out of the file.
        record, line = encoded(self._record(kind, t, fields))
        self._write(line)
        self._next_seq += 1
        self.records.append(record)
        if REPLACED in record:
            logger.error(
                "values of a %s record could not be stored and were replaced: %s",
                kind,
                ", ".join(record[REPLACED]),
                extra={"event": "journal_values_replaced"},
            )
        for reader in self._subscribers:
            try:
                reader(record)
            except Exception:
                # The record has already been written, so a failing reader must not fail the append.
                logger.exception(
                    "a journal subscriber failed on a %s record",
                    kind,
                    extra={"event": "journal_subscriber_failed"},
                )
        return record

    def _record(self, kind: str, t: float, fields: Mapping[str, Any]) -> Record:
        record: Record = {
            "v": FORMAT_VERSION,
            "seq": self._next_seq,
            "at": self._now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "t": round(t, 6),
            "kind": kind,
        }
        taken = [name for name in fields if name in record or name == REPLACED]
        if taken:
            record[REPLACED] = taken
        return {**record, **{name: fields[name] for name in fields if name not in taken}}

    def _write(self, line: bytes) -> None:
        """Do nothing, because `append` keeps the record in memory."""

    async def commit(self) -> None:
        """Return immediately, because records in memory cannot survive a crash."""

    def close(self) -> None:
        """Do nothing, because there is no file to close."""


@dataclass(frozen=True, kw_only=True)
class ReadRecords:
    """The content of a journal file. The last `torn_bytes` bytes are an incomplete last line."""

    records: list[Record]
    whole_bytes: int
    torn_bytes: int
    #: Number of invalid lines that were skipped. An invalid last line does not count.
    damaged: int = 0


def read_records(path: Path, *, pass_over_damage: bool = False) -> ReadRecords:
    """Read a journal file, even while a job writes to it.

    Raises JournalError if the file cannot be read or is larger than `MAX_BYTES`, and JournalTooNew
    if a record has a newer format version. Raises JournalDamaged if a line before the last one is
    not a valid record; with `pass_over_damage`, such a line is skipped and counted instead.
    """
    data = _content(path)
    records: list[Record] = []
    whole = damaged = 0
    for number, line in _lines(data):
        try:
            record = _checked(json.loads(line))
        except JournalTooNew as error:
            raise JournalTooNew(f"{path}:{number}: {error}") from error
        # The parser gives up on thousands of nested brackets with a RecursionError.
        except (ValueError, RecursionError) as error:
            if whole + len(line) == len(data):
                break  # the last line is incomplete
            if not pass_over_damage:
                raise JournalDamaged(f"{path}:{number}: not a record ({error})") from error
            damaged, whole = damaged + 1, whole + len(line)
            continue
        if not line.endswith(b"\n"):
            break
        records.append(record)
        whole += len(line)
    torn = len(data) - whole
    return ReadRecords(records=records, whole_bytes=whole, torn_bytes=torn, damaged=damaged)


def _content(path: Path) -> bytes:
    try:
        about = path.stat()
        # Reading a FIFO could wait forever.
        if not stat.S_ISREG(about.st_mode):
            raise JournalError(f"cannot read the journal {path}: it is not a file")
        if about.st_size > MAX_BYTES:
            raise JournalError(
                f"cannot read the journal {path}: it is larger than {MAX_BYTES >> 20} MiB"
            )
        return path.read_bytes()
    except OSError as error:
        raise JournalError(f"cannot read the journal {path}: {error.strerror}") from error


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each line with its number, from 1, and with its line feed.

    Only a line feed ends a line. A carriage return does not end a line; otherwise, a line whose
    line feed was damaged to a carriage return would be taken for an incomplete last line, and all
    later records would be cut off.
    """
    start = number = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        number += 1
        yield number, data[start:end]
        start = end


def _checked(record: Any) -> Record:
    # Check the version first, because a record of a newer version may have other fields.
    if isinstance(record, Mapping) and _is_newer(record.get("v")):
        raise JournalTooNew(
            f"format {str(record['v'])[:_LONGEST_VERSION]} is newer than {FORMAT_VERSION}, "
            "the newest known here"
        )
    if not isinstance(record, Mapping) or not {"v", "seq", "t", "kind"} <= record.keys():
        raise ValueError("a record must have v, seq, t and kind")
    seq = record["seq"]
    if not isinstance(record["v"], int) or not isinstance(seq, int):
        raise ValueError("v and seq must be whole numbers")
    if isinstance(seq, bool) or not 0 <= seq <= _MOST_SEQ:
        raise ValueError("seq must be a number from 0")
    t = record["t"]
    if isinstance(t, bool) or not isinstance(t, (int, float)) or not -MOST_S < t < MOST_S:
        raise ValueError("t must be a number of seconds")
    if not isinstance(record["kind"], str):
        raise ValueError("kind must be text")
    return dict(record)


def _is_newer(version: object) -> bool:
    return isinstance(version, int) and version > FORMAT_VERSION
