"""The seconds that one job has counted for a pausable budget, from the records of its journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from states.phases import Clock
from states.table import CLOCK_EVENTS, PAUSABLE, Event

#: Kinds of records that do not show that the job was at work at that time: `exit` is written by the
#: worker, and a fault may be recorded by a job that has just found that another job has taken over.
_NO_SIGN_OF_WORK: Final = frozenset({"exit", "fault"})


def counted_s(records: Iterable[Mapping[str, Any]]) -> float:
    """Return the seconds that a job has counted so far, without those of earlier jobs.

    `records` may lack records of other kinds than `transition` and `clock`, but the last record
    before an end that nobody recorded is needed: the time up to it counts if the job's process
    died. If another job had taken the work over (LEASE_LOST), the same holds, because the job may
    have been stopped or cut off for any time before it noticed. Raises KeyError, TypeError or
    ValueError if a record is invalid.
    """
    counted_s = last_t = 0.0
    # Time from which the seconds are not added yet; None while the clock does not run.
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
