"""A job's journal: on disk while the disk accepts writes, otherwise in memory."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from states import FileJournal, JournalError
from worker import faults
from worker.aio.threads import OrderedCalls
from worker.aio.timeouts import retrieve

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

#: Name of the condition that reports the state of the disk.
RESOURCE: Final = "journal"
#: Maximum seconds to wait for a disk sync. A disk that takes longer counts as slow, and callers no
#: longer wait for that disk. A healthy disk takes some milliseconds.
SYNC_WITHIN_S: Final = 0.5
#: Maximum seconds for which the event loop waits until a record is in the page cache. A write to
#: the page cache takes some 0.1 ms, unless the disk hangs (NFS, or too many dirty pages). The limit
#: is less than the audio that is queued ahead (`QUEUE_S` in worker/audio/sinks.py), so the
#: candidate hears no gap.
WRITE_WITHIN_S: Final = 0.25

_REASONS: Final = {
    errno.ENOSPC: "DiskFull",
    errno.EDQUOT: "DiskFull",
    errno.EFBIG: "DiskFull",
    errno.EROFS: "DiskReadOnly",
}

#: The three operations on the journal's file, each of which may fail on its own: records are
#: written, the file is found under its name, and the disk is synced.
_Part: TypeAlias = Literal["write", "find", "sync"]
#: The operations in the order of priority: if several fail, the problem of the first one is
#: reported.
_PARTS: Final[tuple[_Part, ...]] = ("write", "find", "sync")


class JournalSlow(JournalError):
    """Raised if the disk does not answer in time. The operation may still succeed later."""


class DiskFaultTolerantJournal(FileJournal):
    """A journal on a disk that may fail. Records that the disk refuses wait in memory.

    The lifecycle changes its state only after the journal has recorded the change. If `append`
    raised an error on a full disk, the job would therefore stay in its current state, and could not
    end. Records that wait in memory are ingested into the database while the job runs, and are
    written to the disk in order as soon as the disk accepts them.

    A thread of the journal makes all calls to the disk except the sync, in order. `append` waits
    until the thread has written the record, because an event must not take effect before it is
    recorded. If the disk hangs, `append` waits no longer than `WRITE_WITHIN_S`. The record then
    waits in memory like a refused record, and later calls of `append` do not wait while the disk
    hangs.
    """

    def __init__(self, path: Path) -> None:
        #: Called whenever `problem` changes.
        self.on_change: Callable[[], None] = _nobody
        self._problems: dict[_Part, str] = {}
        #: The lines that are not in the file yet. Only the thread removes lines.
        self._unwritten: deque[bytes] = deque()
        self._disk = OrderedCalls("journal")
        #: The last write that was submitted to the thread; None before the first write.
        self._writing: Future[None] | None = None
        #: The last heartbeat that was submitted to the thread; None before the first heartbeat.
        self._touching: Future[bool] | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._sync_again = False
        self._closed = False
        super().__init__(path)

    @property
    def problem(self) -> str | None:
        """The reason, in one word, why the disk fails at this moment; None if the disk works."""
        return next((self._problems[part] for part in _PARTS if part in self._problems), None)

    @property
    def lost(self) -> bool:
        """True if some records are only in memory, because the disk has not accepted them."""
        return bool(self._unwritten)

    def _write(self, line: bytes) -> None:
        if self._closed:
            raise JournalError(f"{self.path} is closed")
        hangs = self._writing is not None and not self._writing.done()
        self._unwritten.append(line)
        writing = self._writing = self._disk.submit(self._write_waiting)
        if not hangs:
            with contextlib.suppress(TimeoutError):
                writing.exception(timeout=WRITE_WITHIN_S)
        if writing.done():
            self._written(writing)
        else:
            self._has("write", "DiskSlow")
            _on_event_loop(writing, self._written)

    def _write_waiting(self) -> None:
        """Write the waiting lines in their order. Runs in the thread of the journal."""
        faults.here("journal.write")
        while self._unwritten:
            super()._write(self._unwritten[0])
            self._unwritten.popleft()

    def _written(self, writing: Future[None]) -> None:
        if writing is not self._writing:
            return  # a later write shows whether the disk works again
        error = writing.exception()
        if error is not None and not isinstance(error, JournalError):
            logger.error(
                "writing the journal raised an unexpected error",
                exc_info=error,
                extra={"event": "journal_write_raised"},
            )
        self._has("write", None if error is None else _reason_of(error))

    async def commit(self) -> None:
        """Sync the journal within SYNC_WITHIN_S. Do not wait for a disk that is known to be slow.

        Raises JournalSlow if the disk is too slow. Raises JournalError if the sync fails, or if the
        disk has refused records.
        """
        if self.lost:
            slow = self._problems.get("write") == "DiskSlow"
            kind = JournalSlow if slow else JournalError
            raise kind(f"{self.path} could not be written: records are in memory only")
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync(), name="sync-journal")
            self._syncing.add_done_callback(retrieve)  # `_sync` has already reported the error
        else:
            self._sync_again = True  # the running sync may miss the latest records
        syncing = self._syncing
        patience_s = 0.0 if self._problems.get("sync") == "DiskSlow" else SYNC_WITHIN_S
        await asyncio.wait({syncing}, timeout=patience_s)
        if not syncing.done():
            self._has("sync", "DiskSlow")
            raise JournalSlow(f"the disk of {self.path} takes longer than {SYNC_WITHIN_S} s")
        if not syncing.cancelled():
            syncing.result()

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        again = True
        while again:
            self._sync_again = False
            began = loop.time()
            try:
                await faults.at("journal.sync", super().commit())
            except Exception as error:
                self._has("sync", _reason_of(error))
                if isinstance(error, JournalError):
                    raise
                raise JournalError(f"cannot sync {self.path}: {type(error).__name__}") from error
            if loop.time() - began < SYNC_WITHIN_S:
                self._has("sync", None)
            again = self._sync_again

    def touch(self) -> None:
        """Send a heartbeat in the thread of the journal, without waiting for the thread.

        The heartbeat also notices that the file is no longer found under its name, because its
        volume was removed or the file was deleted. Writes to a removed volume or a deleted file
        still succeed.
        """
        if self._closed or (self._touching is not None and not self._touching.done()):
            return
        self._touching = self._disk.submit(self._touch_and_find)
        _on_event_loop(self._touching, self._found)

    def _touch_and_find(self) -> bool:
        """Touch the file; return whether it is still found under its name.

        Runs in the thread of the journal.
        """
        super().touch()
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except (FileNotFoundError, NotADirectoryError):
            return not self._open
        except OSError:
            return True  # the disk fails in another way, and the next write reports this failure

    def _found(self, touching: Future[bool]) -> None:
        if touching.exception() is None:
            self._has("find", None if touching.result() else "DiskGone")

    def _has(self, part: _Part, problem: str | None) -> None:
        """Set or clear the problem of one kind of disk operation.

        If `self.problem` changes, log the change and call `on_change`.
        """
        before = self.problem
        if problem is None:
            self._problems.pop(part, None)
        else:
            self._problems[part] = problem
        if self.problem == before:
            return
        if self.problem is None:
            logger.warning(
                "the journal is written to disk again", extra={"event": "journal_disk_recovered"}
            )
        else:
            logger.error(
                "the journal's disk fails or is too slow, but the job continues: %s",
                self.problem,
                extra={"event": "journal_disk_failed"},
            )
        self.on_change()

    def close(self) -> None:
        """Close the journal. Records that are not on disk by now will never be written to disk.

        The method returns after at most `WRITE_WITHIN_S` seconds. If the disk hangs, the thread
        writes the waiting records and closes the file as soon as the disk answers.
        """
        if self._syncing is not None:
            self._syncing.cancel()
        if self._closed:
            return
        self._closed = True
        hangs = self._writing is not None and not self._writing.done()
        closing = self._disk.submit(super().close)
        with contextlib.suppress(TimeoutError):
            closing.exception(timeout=0.0 if hangs else WRITE_WITHIN_S)

    def discard(self) -> None:
        """Close an unused journal, and remove its file if the file has no records. Blocks."""
        self.remove_if_empty()
        super().close()


def _on_event_loop(future: Future[Any], react: Callable[[Future[Any]], None]) -> None:
    """Once the future is done, call `react` on the event loop that runs now, if any."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return

    def tell(done: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has been closed
            loop.call_soon_threadsafe(react, done)

    future.add_done_callback(tell)


def _reason_of(error: BaseException) -> str:
    number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
    return _REASONS.get(number or 0, "DiskFailed")


def _nobody() -> None:
    """Do nothing."""
