"""Status of the main process: missing prerequisites, unavailable optional parts, used slots."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Cause(StrEnum):
    """Cause for a worker to take no job."""

    #: Neither STT nor TTS works.
    NO_SPEECH = "NoSpeech"
    #: The data folder cannot store a journal.
    CANNOT_WRITE = "CannotWrite"
    #: A process for a job could not be prepared.
    SET_UP_FAILED = "SetUpFailed"


#: Name of the missing prerequisite by the cause that keeps the worker from taking jobs.
NAMES: Final = {
    Cause.NO_SPEECH: "speech",
    Cause.CANNOT_WRITE: "disk",
    Cause.SET_UP_FAILED: "processes",
}


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """Snapshot of a worker's status."""

    #: The worker has been ready to take jobs at least once.
    started: bool = False
    #: Missing prerequisites for taking jobs: name and a sentence for people.
    waiting_on: tuple[tuple[str, str], ...] = ()
    #: Unavailable parts that the worker can run without.
    without: tuple[str, ...] = ()
    draining: bool = False
    #: Seconds left for running interviews; None before the drain begins.
    drain_left_s: float | None = None
    slots: int = 0
    slots_used: int = 0
    load: float = 0.0
    warm_processes: int = 0
    #: Connections of the main process's pool: in use and open; None without a database.
    pool: tuple[int, int] | None = None
    journals_waiting: int = 0
    #: Seconds that the oldest of these journals has waited.
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
