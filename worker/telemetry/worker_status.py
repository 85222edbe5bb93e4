"""Status of the worker: missing prerequisites, unavailable optional parts, and used slots."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Cause(StrEnum):
    """Cause that keeps the worker from taking jobs."""

    #: No speech-to-text provider works, and no text-to-speech provider.
    NO_SPEECH = "NoSpeech"
    #: The data folder cannot store a journal.
    CANNOT_WRITE = "CannotWrite"
    #: A process for a job could not be prepared.
    SET_UP_FAILED = "SetUpFailed"
    #: No process for a job is prepared: the worker has just started, or the preparation takes long.
    NO_WARM_PROCESS = "NoWarmProcess"


#: Name of the missing prerequisite for each cause that keeps the worker from taking jobs.
NAMES: Final = {
    Cause.NO_SPEECH: "speech",
    Cause.CANNOT_WRITE: "disk",
    Cause.SET_UP_FAILED: "processes",
    Cause.NO_WARM_PROCESS: "warm_process",
}


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """Snapshot of a worker's status."""

    #: True if the worker has been ready to take jobs at least once.
    started: bool = False
    #: Missing prerequisites for taking jobs, each as (name, sentence for people).
    waiting_on: tuple[tuple[str, str], ...] = ()
    #: Names of unavailable parts that the worker can run without.
    without: tuple[str, ...] = ()
    draining: bool = False
    #: Seconds until a draining worker ends its remaining interviews; None before the drain begins.
    drain_left_s: float | None = None
    slots: int = 0
    slots_used: int = 0
    load: float = 0.0
    warm_processes: int = 0
    #: Seconds since the leases of the jobs were last renewed; None before the first renewal.
    renewal_age_s: float | None = None
    #: Database connections of the main process, as (in use, open); None without a database.
    pool: tuple[int, int] | None = None
    journals_waiting: int = 0
    #: Seconds for which the oldest journal of an ended job has waited for its ingestion.
    shipping_lag_s: float = 0.0
    disk_free_bytes: float | None = None

    @property
    def ready(self) -> bool:
        """True while the worker takes jobs."""
        return not self.waiting_on and not self.draining

    def as_data(self) -> dict[str, Any]:
        """Return the status as data for JSON."""
        return {
            "ready": self.ready,
            "waiting_on": [name for name, _ in self.waiting_on],
            "why": [why for _, why in self.waiting_on if why],
            "without": list(self.without),
            "draining": self.draining,
            "drain_left_s": None if self.drain_left_s is None else round(self.drain_left_s, 1),
            "slots": self.slots,
            "slots_used": self.slots_used,
        }
