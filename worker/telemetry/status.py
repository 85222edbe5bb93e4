"""What the main process says of itself: what it waits for, goes on without, and holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Cause(StrEnum):
    """Why a worker takes no job."""

    #: No speech in either direction: nobody to listen and nobody to speak.
    NO_SPEECH = "NoSpeech"
    #: The data folder takes no journal.
    CANNOT_WRITE = "CannotWrite"
    #: A process for a job could not be prepared.
    SET_UP_FAILED = "SetUpFailed"


#: What is waited for, where that is why no job is taken.
NAMES: Final = {
    Cause.NO_SPEECH: "speech",
    Cause.CANNOT_WRITE: "disk",
    Cause.SET_UP_FAILED: "processes",
}


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """One moment of a worker."""

    #: Whether it has ever taken jobs.
    started: bool = False
    #: What must be there before a job is taken, by name; each with a sentence for people.
    waiting_on: tuple[tuple[str, str], ...] = ()
    #: What is away and stops nothing.
    without: tuple[str, ...] = ()
    draining: bool = False
    #: Seconds that running interviews still have; None before the drain has begun.
    drain_left_s: float | None = None
    slots: int = 0
    slots_used: int = 0
    load: float = 0.0
    warm_processes: int = 0
    #: Connections of the main process's pool: in use, and there; None without a database.
    pool: tuple[int, int] | None = None
    journals_waiting: int = 0
    #: Seconds since the first of these came to wait.
    shipping_lag_s: float = 0.0
    disk_free_bytes: float | None = None

    @property
    def ready(self) -> bool:
        """Whether jobs are taken now."""
        return not self.waiting_on and not self.draining

    def as_data(self) -> dict[str, Any]:
        """The status for a program to read."""
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
