"""Alert rules made from the states and reasons of the transition table."""

from __future__ import annotations

import re

import pytest

from states import BUDGETS, EDGES, Outcome, Reason, State
from worker.telemetry.alerts import ALERTS


@pytest.mark.row("B12")
def test_the_alerts_list_the_states_and_reasons_of_the_transition_table() -> None:
    rules = {alert.name: alert.expr for alert in ALERTS}
    states = _label("state", rules["InterviewStartTimeouts"])
    assert states == set(BUDGETS) - {State.RUNNING, State.CLOSING}
    reasons = _label("reason", rules["InterviewLeftAlone"])
    # If the process is gone, the worker writes the reason; no edge of the table has it.
    of_the_worker = {Reason.PROCESS_KILLED, Reason.PROCESS_EXITED}
    broken_off = {
        edge.reason
        for edge in EDGES
        if edge.source is State.RUNNING and edge.outcome is Outcome.FAILED
    }
    assert reasons == broken_off | of_the_worker


def _label(name: str, expression: str) -> set[str]:
    found = set(re.findall(rf'{name}=~"([^"]*)"', expression))
    assert len(found) == 1
    return set(found.pop().split("|"))
