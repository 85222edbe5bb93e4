"""Tables of state machines that tests draw as text: a row for each event, a column for each state.

A cell is the state after the event, or `-` if the event is ignored in this state.
"""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    """One event in one state. `target` is None if the event is ignored."""

    state: str
    event: str
    target: str | None


def cells_of(table: str) -> list[Cell]:
    """Return all cells of a table."""
    heading, *rows = (line.split() for line in table.strip().splitlines())
    return [
        Cell(state, event, None if target == "-" else target)
        for event, *row in rows
        for state, target in zip(heading[1:], row, strict=True)
    ]


def sentence(cell: Cell) -> str:
    """Return what the cell says, as the name of a test case."""
    result = f"leads to {cell.target}" if cell.target else "is ignored"
    return f"{cell.event} in {cell.state} {result}"
