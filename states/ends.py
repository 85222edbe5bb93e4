"""Ends of a job that an application declares, in addition to the ends in the state table.

The state table has one event, APPLICATION_ENDED, for all ends that applications declare. For a
declared end, the edge from RUNNING to CLOSING gets the outcome and the reason of the end:

    ENDS = {"appointment_booked": End(Outcome.COMPLETED, "AppointmentBooked")}
    job = Lifecycle(ends=ENDS)
    await job.end("appointment_booked")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from states.outcomes import Outcome, Reason
from states.table import EDGES, Edge, Event

#: Maximum length of the name and of the reason of an end, in characters. A metric label is cut to
#: this length.
_LONGEST: Final = 60
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_REASON: Final = re.compile(r"[A-Z][A-Za-z0-9]*")

#: Outcomes that no application may declare, because these outcomes mean that another job continues
#: the work or holds the lease.
_OF_THE_LIFECYCLE: Final = frozenset({Outcome.HANDED_OVER, Outcome.SUPERSEDED})


@dataclass(frozen=True)
class End:
    """An end of a job that an application declares: the result, and the cause in CamelCase."""

    outcome: Outcome
    reason: str


class EndsInvalid(ValueError):
    """Raised if an application declares an end with an invalid name, outcome or reason."""


class EndUnknown(ValueError):
    """Raised if a job is ended by an end that its application does not declare."""

    def __init__(self, name: str | None, declared: Mapping[str, End]) -> None:
        self.name = name
        self.declared = tuple(declared)
        names = ", ".join(declared) or "none"
        super().__init__(f"{name!r} is no end of the application (declared: {names})")


def check_ends(ends: Mapping[str, End]) -> None:
    """Raise EndsInvalid if an end is invalid; the message lists all problems on one line."""
    problems = [problem for name, end in ends.items() for problem in _problems(name, end)]
    if problems:
        raise EndsInvalid("; ".join(problems))


def _problems(name: object, end: object) -> list[str]:
    if not isinstance(name, str) or not isinstance(end, End):
        return [f"the end {name!r} must map a name to an End(outcome, reason)"]
    found = []
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        found.append(f"the end {name!r} must be in snake_case, of at most {_LONGEST} characters")
    if name in list(Event):
        found.append(f"the end {name!r} has the name of an event of the lifecycle")
    if not isinstance(end.outcome, Outcome):
        found.append(f"the outcome of the end {name!r} must be an Outcome")
    elif end.outcome in _OF_THE_LIFECYCLE:
        found.append(f"the outcome of the end {name!r}, {end.outcome}, belongs to the lifecycle")
    if not isinstance(end.reason, str) or not _is_reason(end.reason):
        found.append(
            f"the reason of the end {name!r} must be in CamelCase, of at most {_LONGEST} characters"
        )
    elif end.reason in list(Reason):
        found.append(f"the reason of the end {name!r}, {end.reason}, belongs to the lifecycle")
    return found


def _is_reason(word: str) -> bool:
    return _REASON.fullmatch(word) is not None and len(word) <= _LONGEST


def edges_with(ends: Mapping[str, End]) -> tuple[Edge, ...]:
    """Return the table with one row per declared end in place of the row of APPLICATION_ENDED.

    Without ends, return the table unchanged. The drawing of a job shows the returned rows.
    """
    if not ends:
        return EDGES
    return tuple(
        row
        for edge in EDGES
        for row in (
            [replace(edge, outcome=end.outcome, reason=end.reason) for end in ends.values()]
            if edge.is_declared
            else [edge]
        )
    )


def ends_as_data(ends: Mapping[str, End]) -> dict[str, dict[str, str]]:
    """Return ends as JSON data, as in the header of a journal."""
    return {name: {"outcome": end.outcome, "reason": end.reason} for name, end in ends.items()}


def ends_from_data(data: Any) -> dict[str, End]:
    """Return the ends in the header of a journal; ends that are not readable are left out."""
    found = {}
    for name, end in data.items() if isinstance(data, Mapping) else ():
        if not isinstance(end, Mapping) or end.get("outcome") not in list(Outcome):
            continue
        reason = end.get("reason")
        if isinstance(reason, str) and _is_reason(reason):
            found[str(name)] = End(Outcome(end["outcome"]), reason)
    return found


def reason_from_data(word: str, *, declared: bool) -> Reason | str:
    """Return the reason that a journal names as `word`.

    Raises ValueError if `word` is no reason of the lifecycle. With `declared`, any other CamelCase
    word of at most `_LONGEST` characters is accepted too, as the reason of an application's end.
    """
    if declared and word not in list(Reason) and _is_reason(word):
        return word
    return Reason(word)
