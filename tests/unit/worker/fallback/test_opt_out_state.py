"""The table of the states of an opt-out: each event in each state."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.transition_tables import Cell, cells_of, sentence
from tests.support.virtual.provider_fakes import Closable
from worker.fallback.member import Member
from worker.fallback.opt_out_state import TRANSITIONS, OptOutEvent, OptOutState

TABLE: Final = """
event             asked    accepted dropped refused
served            accepted -        refused -
request_refused   dropped  -        -       -
refused_elsewhere refused  -        -       -
"""
CELLS: Final = cells_of(TABLE)


@pytest.mark.parametrize("cell", CELLS, ids=sentence)
def test_an_event_changes_the_state_of_an_opt_out_or_nothing(cell: Cell) -> None:
    member = Member(name="cloud", make=Closable, make_without=Closable)
    member.opt_out = OptOutState(cell.state)
    assert member.opt_out_event(OptOutEvent(cell.event)) == cell.target
    assert member.opt_out == (cell.target or cell.state)


def test_the_table_has_every_state_and_event() -> None:
    assert {cell.state for cell in CELLS} == set(OptOutState)
    assert {cell.event for cell in CELLS} == set(OptOutEvent)
    assert {(cell.state, cell.event) for cell in CELLS if cell.target} == set(TRANSITIONS)


@pytest.mark.parametrize("event", OptOutEvent)
def test_a_member_that_is_not_asked_has_no_opt_out_to_drop(event: OptOutEvent) -> None:
    member = Member(name="cloud", make=Closable)
    assert member.opt_out_event(event) is None
    assert member.opt_out is OptOutState.ASKED
