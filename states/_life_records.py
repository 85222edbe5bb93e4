"""The records that a lifecycle writes into its journal."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from states.ends import End, ends_as_data
from states.journal import Journal
from states.table import CLOCK_EVENTS, State
from states.transition import Transition


def record_start(
    journal: Journal,
    t: float,
    *,
    header: Mapping[str, Any],
    budgets: Mapping[State, float],
    ends: Mapping[str, End],
) -> None:
    """Write the header. `budgets` are in seconds, by state."""
    seconds = {state.value: budget for state, budget in budgets.items()}
    declared = {"ends": ends_as_data(ends)} if ends else {}
    journal.append("job", t, **header, budgets=seconds, **declared)


def record_transition(journal: Journal, transition: Transition) -> None:
    """Write a transition, an event that changes no state, or a change of the clock."""
    if transition.event in CLOCK_EVENTS:
        # Use the separate kind `clock`, because an earlier version ignores an unknown kind, but
        # refuses a record of the kind `internal` with an unknown event.
        journal.append("clock", transition.t, state=transition.target.value, event=transition.event)
        return
    if transition.internal:
        journal.append(
            "internal", transition.t, state=transition.target.value, event=transition.event
        )
        return
    journal.append(
        "transition",
        transition.t,
        **{"from": transition.source, "event": transition.event, "to": transition.target},
        outcome=transition.outcome,
        reason=transition.reason,
    )


def record_fault(journal: Journal, t: float, where: str, error: Exception) -> None:
    """Write an error that the job survives, unless the journal itself has failed."""
    with contextlib.suppress(Exception):
        journal.append("fault", t, where=where, error=type(error).__name__)
