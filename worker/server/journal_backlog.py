"""Records which journals wait for ingestion, and when each is tried next. Reads no file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from worker.aio.backoff import ExponentialBackoff
from worker.journal.folder import JournalFile

#: Delays before a refused journal is tried again: minutes, because a person needs minutes to repair
#: the cause, such as a full disk of the database or a missing privilege.
REFUSED: Final = ExponentialBackoff(first_s=120.0, longest_s=1800.0)
#: Seconds without a change after which a journal may be ingested although the end of its job was
#: not reported. Before this time the job's worker is expected to report the end, with the exit
#: code.
UNREPORTED_S: Final = 60.0
#: Seconds without a change after which a journal may be ingested that was in the folder before this
#: worker took its first job. Such a journal belongs to an earlier worker.
_LEFT_S: Final = 5.0


@dataclass
class _Entry:
    """One journal that is not in the database."""

    #: Monotonic time since which the journal waits.
    since: float
    exit_code: int | None = None
    #: Monotonic time from which the journal may be tried.
    due: float = 0.0
    #: False if the journal does not wait for ingestion, because its job runs or it is ingested.
    counts: bool = True
    delays: Iterator[float] = field(default_factory=lambda: REFUSED.delays())


class JournalBacklog:
    """The journals that are not in the database yet, by job id."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        #: The journals that are being ingested now.
        self._held: set[str] = set()

    @property
    def waiting(self) -> tuple[int, float]:
        """Number of journals that wait for ingestion, and the longest wait in seconds."""
        now = self._clock()
        waits = [now - entry.since for entry in self._entries.values() if entry.counts]
        return len(waits), max(waits, default=0)

    def known(self) -> set[str]:
        """Return the ids of the jobs whose journals are known to be on the disk."""
        return set(self._entries)

    def hold(self, job_id: str) -> None:
        """Record that the journal is being ingested, so that no second ingestion begins."""
        self._held.add(job_id)

    def wait(self, job_id: str, age_s: float) -> None:
        """Count the journal as waiting for ingestion since its last write, `age_s` seconds ago."""
        entry = self._entries.setdefault(job_id, _Entry(since=self._clock() - age_s))
        entry.counts = True

    def gone(self, job_id: str) -> None:
        """Record that the journal is in the database, or does not exist."""
        self._held.discard(job_id)
        self._entries.pop(job_id, None)

    def moved_away(self, job_ids: Iterable[str]) -> None:
        """Record that a search did not find these journals: they were moved or removed."""
        for job_id in job_ids:
            if job_id not in self._held:
                self._entries.pop(job_id, None)

    def refused(self, job_id: str, exit_code: int | None, *, ingested: bool = False) -> None:
        """Record that the journal stays on the disk, and is tried again after a while."""
        entry = self._released(job_id)
        entry.exit_code = exit_code
        entry.due = self._clock() + next(entry.delays)
        entry.counts = not ingested

    def running(self, job_id: str, exit_code: int | None = None) -> None:
        """Record that a process still writes the journal; a later search tries to ingest it."""
        entry = self._released(job_id)
        entry.exit_code = exit_code
        entry.counts = False

    def is_due(self, journal: JournalFile, *, at_start: bool) -> bool:
        """Return whether a journal that was found in the folder may be ingested now.

        `at_start` is True before this worker has taken a job, when all journals in the folder
        belong to earlier workers.
        """
        if journal.job_id in self._held:
            return False
        if (entry := self._entries.get(journal.job_id)) is None:
            return at_start or journal.age_s >= UNREPORTED_S
        return self._clock() >= entry.due and journal.age_s >= _LEFT_S

    def exit_code(self, job_id: str) -> int | None:
        """Return the exit code that was reported with the journal, if any."""
        entry = self._entries.get(job_id)
        return entry.exit_code if entry is not None else None

    def _released(self, job_id: str) -> _Entry:
        self._held.discard(job_id)
        return self._entries.setdefault(job_id, _Entry(since=self._clock()))
