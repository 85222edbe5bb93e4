"""What the main process does after a job process has ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from worker.server.journal_collector import JournalCollector
    from worker.telemetry.job_observer import Observer

logger = logging.getLogger(__name__)


class EndedJobs:
    """Logs the end of each job process, and starts the ingestion of the job's journal.

    Args:
        books: Ingests the journal.
        observer: Follows the jobs by reading their journals.
        on_shipped: Awaited with the id of a job once the job's journal is ingested, or could not be
            ingested.
        on_slot_free: Called when a job has left its slot.
    """

    def __init__(
        self,
        books: JournalCollector,
        observer: Observer,
        *,
        on_shipped: Callable[[str], Awaitable[None]],
        on_slot_free: Callable[[], None],
    ) -> None:
        self._books = books
        self._observer = observer
        self._on_shipped = on_shipped
        self._on_slot_free = on_slot_free

    def process_closed(self, proc: Any) -> None:
        """Handle the end of a process of the framework's pool. The process may have had no job."""
        job = proc.running_job
        if job is None:
            return
        code = proc.exitcode
        killed_by = -code if code is not None and code < 0 else None
        level = logging.INFO if code == 0 else logging.ERROR
        logger.log(
            level,
            "job process ended",
            extra={
                "event": "job_process_ended",
                "job_id": job.job.id,
                "room": job.job.room.name,
                "exit_code": code,
                "signal": killed_by,
            },
        )
        gone = self._observer.job_gone(job.job.id, code)
        self._books.ship(job.job.id, exit_code=code, after=gone, then=self._on_shipped)
        # Until the framework's next report, up to 2.5 s away, LiveKit does not know of the free
        # slot, and drops dispatches for this worker.
        self._on_slot_free()
