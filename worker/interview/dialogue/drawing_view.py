"""Content of the drawings of the dialogue: the table, and the path of one job if one is given.

The rows of a phase that lead to the same target are one arrow. A row that stays in its place has no
arrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from states.render.words import drawable
from worker.interview.dialogue.phases import Phase, Place, place_of
from worker.interview.dialogue.records import Record
from worker.interview.dialogue.row import Row, Way
from worker.interview.dialogue.table import ROWS

#: Acts and events that are named on one arrow; the number of others follows.
_MOST_NAMES: Final = 9
_WAYS: Final = {
    Way.NEXT: "the next question",
    Way.RETURN: "back",
    Way.AGAIN: "ASKING again",
    Way.RESUME: "where it was",
    Way.TARGET: "an earlier question",
}
_BY_NAME: Final = {row.name: row for row in ROWS}


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """All rows of one phase that lead to one target."""

    target: str
    #: The acts and events of the rows.
    names: tuple[str, ...]
    #: The names of the rows.
    rows: tuple[str, ...]
    #: How often the drawn job took one of the rows; 0 if no job is drawn.
    taken: int = 0

    @property
    def of_events(self) -> bool:
        """True if only events lead to the target, and no act."""
        return all(name.islower() for name in self.names)

    @property
    def text(self) -> str:
        """The acts and events in one line; of many, the first ones and the number of the others."""
        shown = ", ".join(name.replace("_", " ") for name in self.names[:_MOST_NAMES])
        more = len(self.names) - _MOST_NAMES
        return f"{shown} and {more} more" if more > 0 else shown


@dataclass(frozen=True, kw_only=True)
class Box:
    """One phase in a drawing; None stands for the rows that hold in every phase."""

    phase: Phase | None
    arrows: tuple[Arrow, ...]
    #: How often the drawn job was in the phase; 0 if no job is drawn.
    visits: int = 0

    @property
    def name(self) -> str:
        """The name of the phase."""
        return str(self.phase or "any phase")

    @property
    def about(self) -> str:
        """What the candidate's words answer in the phase."""
        return self.phase.text if self.phase else "holds where the phase has no row"

    @property
    def on_the_path(self) -> bool:
        """True if the drawn job was in the phase, or took an arrow of the box."""
        return self.visits > 0 or any(arrow.taken for arrow in self.arrows)


@dataclass(frozen=True, kw_only=True)
class View:
    """The content of a drawing."""

    boxes: tuple[Box, ...]
    #: One line about the drawn job; empty if no job is drawn.
    title: str = ""
    #: Changes of place in the drawn job by a row that is not in this version's table.
    strays: tuple[str, ...] = ()

    @property
    def of_a_job(self) -> bool:
        """True for a drawing of one job."""
        return bool(self.title)


def view(records: Sequence[Record] = (), *, job: str = "") -> View:
    """Return the content of a drawing, with the path that the records of a job describe.

    Without records, only the table is drawn. `job` is the name of the job in the title.
    """
    counted = [each for each in records if not each.late]
    places = _visited(counted)
    visits = Counter(place.phase for place in places)
    taken = Counter(each.row for each in counted)
    title = ""
    if records:
        way = f"from {places[0]} to {places[-1]}" if places else "in no known place"
        title = drawable(f"Job {job}: {len(records)} records of the dialogue, {way}")
    return View(
        boxes=tuple(
            Box(
                phase=phase,
                arrows=tuple(_arrows(phase, taken)),
                visits=visits[phase] if phase else 0,
            )
            for phase in (*Phase, None)
        ),
        title=title,
        strays=tuple(dict.fromkeys(map(drawable, _strays(counted)))),
    )


def _visited(records: Sequence[Record]) -> list[Place]:
    """Return the visited places in order; records in a row with the same place are one visit."""
    places: list[Place] = []
    for each in records:
        if not places and (first := place_of(each.phase)) is not None:
            places.append(first)
        if each.to is not None and places[-1:] != [each.to]:
            places.append(each.to)
    return places


def _strays(records: Sequence[Record]) -> Iterator[str]:
    for each in records:
        if each.row not in _BY_NAME and each.to is not None and str(each.to) != each.phase:
            yield f"{each.phase} → {each.to} ({each.row or 'no row'})"


def _arrows(phase: Phase | None, taken: Counter[str]) -> Iterator[Arrow]:
    """Yield the arrows of a phase in the order of the table."""
    merged: dict[str, list[Row]] = {}
    for row in ROWS:
        if _phase(row) is phase and row.to is not Way.STAY:
            merged.setdefault(_target(row), []).append(row)
    for target, rows in merged.items():
        yield Arrow(
            target=target,
            names=tuple(dict.fromkeys(name for row in rows for name in _names(row))),
            rows=tuple(row.name for row in rows),
            taken=sum(taken[row.name] for row in rows),
        )


def _names(row: Row) -> list[str]:
    """Return the acts and events of a row, or the row's name if there are too many."""
    if len(row.on) > _MOST_NAMES * 2:
        return [f"ANY ({row.name.replace('_', ' ')})"]
    return [str(on) for on in row.on]


def _phase(row: Row) -> Phase | None:
    return row.at[0] if isinstance(row.at, tuple) else row.at


def _target(row: Row) -> str:
    to = row.to
    if isinstance(to, Way):
        return _WAYS[to]
    return str(to[0] if isinstance(to, tuple) else to)
