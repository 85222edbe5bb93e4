"""A job's journal: on disk while the disk takes it, in memory from there on."""

from __future__ import annotations

import logging

from states import FileJournal, JournalError, MemoryJournal
from states.journal import Record
from worker import faults
from worker.settings import Settings

logger = logging.getLogger(__name__)


class SurvivingJournal(FileJournal):
    """A journal whose disk may fail: from then on its records live in memory.

    The lifecycle changes nothing that is not written down, so with a journal that raises a full
    disk would stop every job where it is, with nobody able to end it. What is in memory is
    shipped while the job lives; only what comes after its last shipment is lost with it.
    """

    #: The disk has refused a record, and nothing more is written to it.
    lost = False

    def _write(self, record: Record) -> None:
        if self.lost:
            return
        try:
            faults.here("journal.write")
            super()._write(record)
        except JournalError as error:
            if not self._open:
                raise
            self.lost = True
            logger.error("the job goes on without a journal on disk: %s", error)

    async def commit(self) -> None:
        """As FileJournal's. Raises JournalError also for records that never got to the disk."""
        if self.lost:
            raise JournalError(f"{self.path} could not be written: records are in memory only")
        await faults.at("journal.sync", super().commit())


def open_journal(settings: Settings, job_id: str) -> MemoryJournal:
    """The journal of a job, in memory where the disk has no place for it."""
    try:
        faults.here("journal.open")
        return SurvivingJournal(settings.journal_dir / f"{job_id}.jsonl")
    except JournalError as error:
        logger.error("the job goes on without a journal on disk: %s", error)
        return MemoryJournal()
