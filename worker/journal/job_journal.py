"""The journal of a job: open it, and report to the job's lifecycle whether its disk works."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from states import Condition, Event, FileJournal, JournalError, MemoryJournal, Phase, Status
from worker import faults
from worker.aio.threads import OrderedCalls
from worker.journal.resilient import RESOURCE, DiskFaultTolerantJournal, JournalSlow

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from states import Lifecycle
    from states.journal import Journal
    from worker.config.settings import Settings

logger = logging.getLogger(__name__)

#: Maximum seconds to wait until the file is open and locked.
OPEN_WITHIN_S: Final = 1.0


def open_journal(settings: Settings, job_id: str) -> MemoryJournal:
    """Open the journal of a job on disk, or in memory if the disk fails or has no file locks."""
    try:
        faults.here("journal.open")
        return _opened(settings.journal_dir / f"{job_id}.jsonl")
    except JournalError as error:
        logger.error(
            "the job keeps its journal in memory, as opening the file failed: %s",
            error,
            extra={"event": "journal_in_memory"},
        )
        return MemoryJournal()


def _opened(path: Path) -> DiskFaultTolerantJournal:
    """Open a journal within `OPEN_WITHIN_S`. Raises JournalSlow if the disk takes longer."""
    calls = OrderedCalls("open-journal", idle_s=0.0)
    opening = calls.submit(lambda: DiskFaultTolerantJournal(path))
    try:
        return opening.result(timeout=OPEN_WITHIN_S)
    except TimeoutError as error:
        opening.add_done_callback(_discard)
        raise JournalSlow(f"the disk of {path} does not respond") from error
    except RuntimeError as error:
        raise JournalError(f"cannot open the journal {path}: {error}") from error


def _discard(opening: Future[DiskFaultTolerantJournal]) -> None:
    """Discard a journal that was opened too late. Runs in the thread that opened the journal."""
    if opening.exception() is None:
        opening.result().discard()


def watch_disk(life: Lifecycle) -> None:
    """From now on, report to the lifecycle when the journal's disk fails or works again."""
    journal = life.journal
    if not isinstance(journal, DiskFaultTolerantJournal):
        return

    def tell() -> None:
        # Report nothing before the event BOOTSTRAP_STARTED, because this event carries the result
        # of `without_disk`, and nothing after the end of the job.
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
