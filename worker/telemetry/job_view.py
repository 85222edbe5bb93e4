"""State of one running job, built from the records of its journal."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from states import Phase, Status
from states.journal import MOST_S
from states.table import phase_of

#: Errors that can arise from a malformed record, such as a record that another version or a person
#: wrote. RecursionError: a value is nested too deeply to be converted to text.
MALFORMED: Final = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


def finite(value: Any) -> float:
    """Return a number from a journal record as a float.

    Raises one of the errors in `MALFORMED` if `value` is not a number, is NaN, or is not between
    `-MOST_S` and `MOST_S`. An infinite value, for example, would make a counter infinite for ever.
    """
    number = float(value)
    if not -MOST_S < number < MOST_S:
        raise ValueError("the number is not finite, or is too large")
    return number


@dataclass
class JobView:
    """State of one job. The times `since_t` and `last_t` are seconds since the job was received."""

    job_id: str
    room: str = ""
    interview_id: str | None = None
    pid: int | None = None
    #: Time when the job was received, in seconds since the epoch.
    received_at: float = 0.0
    state: str | None = None
    since_t: float = 0.0
    #: Time of the newest journal record, in seconds since the job was received.
    last_t: float = 0.0
    outcome: str | None = None
    reason: str | None = None
    #: Status and reason of each resource, by resource name.
    conditions: dict[str, tuple[str, str]] = field(default_factory=dict)
    turns: int = 0
    #: Latest latency in seconds, by part of a turn.
    latency: dict[str, float] = field(default_factory=dict)
    faults: int = 0
    rungs: int = 0
    #: The longest silence in seconds that led to a step of the stuck-turn recovery.
    longest_silence_s: float = 0.0
    #: The last stall of the job's event loop: the blocking call, and the duration in seconds.
    stall: tuple[str, float] | None = None
    #: Time of the last heartbeat in seconds since the epoch.
    alive_at: float = 0.0
    #: True if the job has a journal on disk. Without this file the job cannot send heartbeats.
    on_disk: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """The resources that are unavailable now."""
        return tuple(n for n, (status, _) in self.conditions.items() if status == Status.LOST)

    @property
    def degraded(self) -> bool:
        """True if the job has loaded its resources and some resource is unavailable."""
        loads = phase_of(self.state) in (Phase.CONNECTING, Phase.LOADING)
        return bool(self.missing) and not loads

    def as_data(self, now: float) -> dict[str, Any]:
        """Return the job as data for JSON; `now` is the current time in seconds since the epoch."""
        return {
            "job_id": self.job_id,
            "room": self.room,
            "interview_id": self.interview_id,
            "pid": self.pid,
            "state": self.state,
            "state_s": round(max(0.0, now - self.received_at - self.since_t), 1),
            "age_s": round(max(0.0, now - self.received_at), 1),
            "outcome": self.outcome,
            "reason": self.reason,
            "conditions": {
                name: {"status": status, "reason": reason}
                for name, (status, reason) in self.conditions.items()
            },
            "turns": self.turns,
            "latency_s": self.latency,
            "faults": self.faults,
            "rungs": self.rungs,
            "longest_silence_s": self.longest_silence_s,
            "last_sign_of_life_s": round(max(0.0, now - self.alive_at), 1),
            "last_stall": self.stall and {"call": self.stall[0], "seconds": self.stall[1]},
        }

    def apply(self, record: Mapping[str, Any]) -> None:
        """Apply the next journal record. Malformed records and unknown kinds are ignored."""
        with contextlib.suppress(*MALFORMED):
            self.last_t = max(self.last_t, finite(record["t"]))
            handler = _HANDLERS.get(record["kind"])
            if handler is not None:
                handler(self, record)


def _job(view: JobView, record: Mapping[str, Any]) -> None:
    view.room = str(record.get("room", ""))
    interview_id = record.get("interview_id")
    view.interview_id = interview_id if isinstance(interview_id, str) else None
    pid = record.get("pid")
    view.pid = pid if isinstance(pid, int) else None
    with contextlib.suppress(OverflowError, ValueError):
        written_at = datetime.fromisoformat(str(record.get("at"))).timestamp()
        view.received_at = written_at - finite(record["t"])


def _transition(view: JobView, record: Mapping[str, Any]) -> None:
    view.state = str(record.get("to"))
    view.since_t = finite(record["t"])
    if record.get("outcome") is not None:
        view.outcome, view.reason = str(record["outcome"]), str(record.get("reason"))


def _condition(view: JobView, record: Mapping[str, Any]) -> None:
    status, reason = str(record.get("status")), str(record.get("reason"))
    view.conditions[str(record.get("resource"))] = status, reason


def _turn(view: JobView, record: Mapping[str, Any]) -> None:
    view.turns += 1
    latency = record.get("latency")
    if isinstance(latency, Mapping):
        view.latency |= {str(part): finite(seconds) for part, seconds in latency.items()}


def _fault(view: JobView, record: Mapping[str, Any]) -> None:
    view.faults += 1
    if "rung" in record:
        view.rungs += 1
        silent_s = finite(record.get("silent_s", 0.0))
        view.longest_silence_s = max(view.longest_silence_s, silent_s)
    if record.get("error") == "LoopStalled":
        view.stall = str(record.get("call", "")), finite(record.get("stalled_s", 0.0))


_HANDLERS = {
    "job": _job,
    "transition": _transition,
    "condition": _condition,
    "turn": _turn,
    "fault": _fault,
}
