"""A job's journal: on disk while the disk accepts writes, otherwise in memory."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from states import Condition, Event, FileJournal, JournalError, MemoryJournal, Phase, Status
from worker import faults
from worker.aio.timeouts import retrieve

if TYPE_CHECKING:
    from pathlib import Path

    from states import Lifecycle
    from states.journal import Journal, Record
    from worker.config.settings import Settings

logger = logging.getLogger(__name__)

#: Name of the condition that reports the state of the disk.
RESOURCE: Final = "journal"
#: Maximum seconds to wait for a disk sync. A disk that takes longer counts as slow, and callers no
#: longer wait for that disk. A healthy disk takes some milliseconds.
SYNC_WITHIN_S: Final = 0.5

_REASONS: Final = {
    errno.ENOSPC: "DiskFull",
    errno.EDQUOT: "DiskFull",
    errno.EFBIG: "DiskFull",
    errno.EROFS: "DiskReadOnly",
}


class JournalSlow(JournalError):
    """Raised if the disk has not synced the journal in time. The sync may still succeed later."""


class DiskFaultTolerantJournal(FileJournal):
    """A journal on a disk that may fail. Records that the disk refuses wait in memory.

    The lifecycle makes no change that is not recorded. If this journal raised an error, a full disk
    would therefore keep the job in its current state, and nothing could end the job. Records that
    wait in memory are ingested into the database while the job runs, and are written to the disk in
    order as soon as the disk accepts them.
    """

    def __init__(self, path: Path) -> None:
        #: One-word reason why the disk fails at this moment; None if the disk works.
        self.problem: str | None = None
        #: Called whenever `problem` changes.
        self.on_change: Callable[[], None] = _nobody
        self._unwritten: list[Record] = []
        self._syncing: asyncio.Task[None] | None = None
        self._sync_again = False
        super().__init__(path)

    @property
    def lost(self) -> bool:
        """True if the disk has refused records that are now only in memory."""
        return bool(self._unwritten)

    def _write(self, record: Record) -> None:
        self._unwritten.append(record)
        try:
            faults.here("journal.write")
            while self._unwritten:
                super()._write(self._unwritten[0])
                del self._unwritten[0]
        except JournalError as error:
            if not self._open:
                self._unwritten.pop()
                raise
            self._has(_reason_of(error))
        else:
            if self.problem != "DiskSlow":
                self._has(None)

    async def commit(self) -> None:
        """Sync the journal within SYNC_WITHIN_S. Do not wait for a disk that is known to be slow.

        Raises JournalSlow if the disk is too slow. Raises JournalError if the sync fails, or if the
        disk has refused records.
        """
        if self.lost:
            raise JournalError(f"{self.path} could not be written: records are in memory only")
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync(), name="sync-journal")
            self._syncing.add_done_callback(retrieve)
        else:
            self._sync_again = True  # the running sync may miss the latest records
        syncing = self._syncing
        patience_s = 0.0 if self.problem == "DiskSlow" else SYNC_WITHIN_S
        await asyncio.wait({syncing}, timeout=patience_s)
        if not syncing.done():
            self._has("DiskSlow")
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
            except JournalError as error:
                self._has(_reason_of(error))
                raise
            if loop.time() - began < SYNC_WITHIN_S and not self.lost:
                self._has(None)
            again = self._sync_again

    def _has(self, problem: str | None) -> None:
        """Set `self.problem`; if it changes, log the change and call `on_change`."""
        if problem == self.problem:
            return
        self.problem = problem
        if problem is None:
            logger.warning(
                "the journal is written to disk again", extra={"event": "journal_disk_recovered"}
            )
        else:
            logger.error(
                "the journal's disk fails or is too slow, but the job continues: %s",
                problem,
                extra={"event": "journal_disk_failed"},
            )
        self.on_change()

    def close(self) -> None:
        """Close the journal. Records that are not on disk by now will never be written to disk."""
        if self._syncing is not None:
            self._syncing.cancel()
        super().close()


def open_journal(settings: Settings, job_id: str) -> MemoryJournal:
    """Open the journal of a job on disk, or in memory if the disk fails."""
    try:
        faults.here("journal.open")
        return DiskFaultTolerantJournal(settings.journal_dir / f"{job_id}.jsonl")
    except JournalError as error:
        logger.error(
            "the job keeps its journal in memory, as opening the file failed: %s",
            error,
            extra={"event": "journal_in_memory"},
        )
        return MemoryJournal()


def watch_disk(life: Lifecycle) -> None:
    """From now on, report to the lifecycle when the journal's disk fails or works again."""
    journal = life.journal
    if not isinstance(journal, DiskFaultTolerantJournal):
        return

    def tell() -> None:
        # Post nothing before the event BOOTSTRAP_STARTED, which itself passes the condition that
        # `without_disk` returns. Post nothing after the end of the job.
        if life.state.phase in (Phase.CONNECTING, Phase.OVER):
            return
        there = journal.problem is None
        event = Event.RESOURCE_RECOVERED if there else Event.RESOURCE_LOST
        status = Status.READY if there else Status.LOST
        life.post(event, _condition(status, journal.problem or "OnDisk"))

    journal.on_change = tell


def without_disk(journal: Journal) -> tuple[Condition, ...]:
    """Return a condition "lost" if the journal is not on a working disk, otherwise no condition."""
    if isinstance(journal, DiskFaultTolerantJournal):
        problem = journal.problem
    else:
        problem = None if isinstance(journal, FileJournal) else "InMemory"
    return () if problem is None else (_condition(Status.LOST, problem),)


def _condition(status: Status, reason: str) -> Condition:
    return Condition(resource=RESOURCE, status=status, reason=reason)


def _reason_of(error: JournalError) -> str:
    number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
    return _REASONS.get(number or 0, "DiskFailed")


def _nobody() -> None:
    """Do nothing."""
