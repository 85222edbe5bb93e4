"""Event dispatch by the package `transitions`."""

from __future__ import annotations

import pytest
from transitions import Machine

from states import EDGES, Event
from states._dispatch import _MACHINE


@pytest.mark.row("C1", "C8")
def test_the_lifecycle_dispatches_on_a_machine_of_transitions() -> None:
    assert isinstance(_MACHINE, Machine)
    edges = {
        (transition.source, event, transition.dest)
        for event in Event
        for transition in _MACHINE.get_transitions(event.value)
    }
    assert edges == {(edge.source, edge.event, edge.target) for edge in EDGES}
