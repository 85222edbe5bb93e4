"""The journal of a job in a file, which is locked as long as the journal is open."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from states._unsynced import UnsyncedLines
from states.journal import (
    JournalError,
    JournalGone,
    JournalLocked,
    MemoryJournal,
    read_records,
    utc_now,
)


class FileJournal(MemoryJournal):
    """A journal in a file. The file is locked as long as the journal is open.

    When `append` returns, the record is in the page cache, so the record survives a crash of the
    process. After `commit`, the record also survives a crash of the computer. A crash of the
    computer may leave an incomplete last line, which the next opening of the file removes;
    `torn_bytes` is the length of the removed line in bytes. With `again`, a missing file is not
    created; instead the constructor raises JournalGone.

    The constructor raises JournalLocked if another process has the journal open, and JournalError
    if the file cannot be opened, read or locked. Some network file systems have no locks.
    """

    def __init__(
        self, path: Path, *, now: Callable[[], datetime] = utc_now, again: bool = False
    ) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (0 if again else os.O_CREAT)
        try:
            if not again:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            if again and error.errno == errno.ENOENT:
                raise JournalGone(f"there is no journal {path}") from error
            raise JournalError(f"cannot write the journal {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = read_records(path)
            self.torn_bytes = found.torn_bytes
            if found.torn_bytes:
                os.ftruncate(self._fd, found.whole_bytes)
        except BlockingIOError as error:
            os.close(self._fd)
            raise JournalLocked(path) from error
        except OSError as error:  # ENOLCK or EOPNOTSUPP if the file system has no locks
            if not again:
                self.remove_if_empty()
            os.close(self._fd)
            raise JournalError(f"cannot lock the journal {path}: {error.strerror}") from error
        except BaseException:
            os.close(self._fd)
            raise
        last = found.records[-1]["seq"] if found.records else -1
        super().__init__(now=now, next_seq=last + 1)
        self.records = found.records
        self._open = True
        created = not again and not found.whole_bytes
        self._unsynced = UnsyncedLines(path, self._fd, size=found.whole_bytes, created=created)

    def remove_if_empty(self) -> None:
        """Remove an empty file, because it would look like the journal of a job that died early."""
        with contextlib.suppress(OSError):
            if os.fstat(self._fd).st_size == 0:
                self.path.unlink()

    def _write(self, line: bytes) -> None:
        if not self._open:
            raise JournalError(f"{self.path} is closed")
        try:
            # A single call with O_APPEND leaves the line either complete or cut off at its end, but
            # never mixed with another line.
            written = os.write(self._fd, line)
            if written != len(line):
                # Remove the incomplete line, or the next record would continue that line.
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise JournalError(f"cannot write {self.path}: {error.strerror}") from error
        self._unsynced.wrote(line)

    async def commit(self) -> None:
        """Sync the file in a thread, so that the event loop is not blocked.

        Raises JournalError if the sync fails. The next sync first writes the records of the failed
        sync to the file again, and then syncs these records too.
        """
        if not self._open:
            raise JournalError(f"{self.path} is closed")
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._unsynced.sync)
        except OSError as error:
            raise JournalError(f"cannot sync {self.path}: {error.strerror}") from error

    def touch(self) -> None:
        """Send a heartbeat: set the file's modification time to now.

        If the operating system reports an error, the heartbeat is skipped.
        """
        if self._open:
            with contextlib.suppress(OSError):
                os.utime(self._fd)

    def close(self) -> None:
        """Close the file, which also releases its lock. May be called twice."""
        if self._open:
            self._open = False
            os.close(self._fd)
