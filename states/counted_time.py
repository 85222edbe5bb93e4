"""The seconds that a job has counted for a pausable budget, computed from its journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from states.phases import Clock
from states.table import CLOCK_EVENTS, PAUSABLE, Event

#: Kinds of records that do not prove that the job was at work at their time: the worker writes
#: `exit`, and a job may record a fault when it notices that another job has taken over.
_NO_SIGN_OF_WORK: Final = frozenset({"exit", "fault"})


def counted_s(records: Iterable[Mapping[str, Any]]) -> float:
    """Return the seconds that a job has counted so far, without the seconds of earlier jobs.

    If the job's process died, or if another job took over the work (event LEASE_LOST), only the
    time up to the job's last record counts, because the job may have stopped right after this
    record. `records` must contain all records of the kinds `transition` and `clock`, and the job's
    last record of any kind. Raises KeyError, TypeError or ValueError if a record is invalid.
    """
    counted_s = last_t = 0.0
    # Time at which the clock was started last; None while the clock does not run.
    since: float | None = None
    for record in sorted(records, key=lambda record: record["seq"]):
        kind, t = record["kind"], float(record["t"])
        if kind in _NO_SIGN_OF_WORK:
            continue
        runs = _runs_after(record)
        if since is not None and runs is False:
            until = last_t if record.get("event") == Event.LEASE_LOST else t
            counted_s += max(0.0, until - since)
            since = None
        elif since is None and runs is True:
            since = t
        last_t = t
    return counted_s if since is None else counted_s + max(0.0, last_t - since)


def _runs_after(record: Mapping[str, Any]) -> bool | None:
    """Return whether the clock runs after a record; None if the record does not change it."""
    if record["kind"] == "transition":
        return record["to"] in PAUSABLE
    if record["kind"] == "clock" and record.get("event") is not None:
        return CLOCK_EVENTS.get(record["event"]) is Clock.RUNNING
    return None
