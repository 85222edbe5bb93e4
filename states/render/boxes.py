"""The states of a drawing: boxes in rows, the rows in one column, and the text in each box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from states.render.lanes import height as lanes_height
from states.render.lines import records_line, time_in
from states.render.marks import PADDING, badges, stacked, word_wrapped
from states.render.scene import LINE_HEIGHT, Mark, Part, Rect, Text
from states.render.view import Arrow, Box, View
from states.table import State

COLUMN_X, COLUMN_WIDTH = 23.0, 334.0
#: Width in pixels of boxes that stand side by side in a row.
NARROW_WIDTH = 96.0
#: Pixels between the outline of a row of several states and the boxes in the outline: `GROUP_HEAD`
#: above the boxes, `GROUP_FOOT` below the boxes.
GROUP_HEAD, GROUP_FOOT = 30.0, 8.0
#: Pixels from the top of a box to the baselines of its text: `NAME_Y` for the name of the state,
#: `FIRST_LINE_Y` for the first line below the name.
NAME_Y, FIRST_LINE_Y = 21.0, 39.0
#: Number of characters that fit into a line of a wide box, even in the widest of the common fonts.
WIDE_CHARS = 50
NOTE_CHARS = 56


@dataclass(frozen=True)
class Row:
    """States that stand side by side, the outline of their row, and the position of each state."""

    states: tuple[State, ...]
    outline: Rect
    places: dict[State, Rect]
    #: Lines of text under the boxes of a row with several states.
    notes: tuple[str, ...] = ()

    @property
    def is_group(self) -> bool:
        """True if the row has several states, which share an outline."""
        return len(self.states) > 1


def rows_of(view: View) -> Iterator[tuple[State, ...]]:
    """Yield the states before CLOSING, row by row.

    States that share a deadline share one row. Every other state is alone in its row.
    """
    inner = {state: group for group in view.groups[1:] for state in group}
    seen: set[State] = set()
    for state in view.live:
        if state not in seen:
            row = inner.get(state, (state,))
            seen.update(row)
            yield row


def row_at(view: View, states: tuple[State, ...], endings: list[Arrow], y: float) -> Row:
    """Return a row that begins at `y`, high enough for its states and their arrows to CLOSING."""
    lanes = lanes_height(endings) + 4
    if len(states) == 1:
        box = view.boxes[states[0]]
        size = max(_height(box, _lines(box, wide=True)), lanes)
        place = Rect(x=COLUMN_X, y=y, width=COLUMN_WIDTH, height=size)
        return Row(states, place, {states[0]: place})
    notes = tuple(_notes(view, states))
    foot = GROUP_FOOT + len(notes) * LINE_HEIGHT + (4 if notes else 0)
    boxes = max(_height(view.boxes[s], _lines(view.boxes[s], wide=False)) for s in states)
    boxes = max(boxes, _beside_height(view, states), lanes - GROUP_HEAD - foot)
    outline = Rect(
        x=COLUMN_X,
        y=y,
        width=COLUMN_WIDTH,
        height=GROUP_HEAD + boxes + foot,
        css="group",
    )
    step = (COLUMN_WIDTH - 20 - NARROW_WIDTH) / (len(states) - 1)
    places = {
        state: Rect(x=COLUMN_X + 10 + n * step, y=y + GROUP_HEAD, width=NARROW_WIDTH, height=boxes)
        for n, state in enumerate(states)
    }
    return Row(states, outline, places, notes)


def box_part(view: View, state: State, place: Rect) -> Part:
    """Return a box at `place`: the state's name, the time spent in it, visit numbers and notes."""
    box = view.boxes[state]
    wide = place.width > NARROW_WIDTH * 2
    css = "visited" if box.visits else "state"
    if box.visits and state is view.broken:
        css = "broken"
    frame = Rect(x=place.x, y=place.y, width=place.width, height=place.height, css=css)
    x = place.x + (PADDING if wide else PADDING - 4)
    marks: list[Mark] = [frame, Text(x=x, y=place.y + NAME_Y, text=state, css="name")]
    time = time_in(box)
    if wide and time:
        right = place.right - PADDING
        marks.append(Text(x=right, y=place.y + NAME_Y, text=time, css="strong", anchor="end"))
    chars = None if wide else int((place.width - PADDING) / 6.3)
    lines = _lines(box, wide=wide, chars=chars)
    marks.extend(stacked(lines, x, place.y + FIRST_LINE_Y))
    marks.extend(badges(box, place))
    rows = tuple(f"{e.source} {e.event} -" for e in (i.edge for i in box.internals))
    return Part(marks=tuple(marks), rows=rows, dim=view.of_a_job and not box.visits)


def outline_part(view: View, row: Row) -> Part:
    """Return the outline of a row with several states, and the events that these states record."""
    caption = Text(
        x=row.outline.middle,
        y=row.outline.y + 18,
        text="one shared deadline",
        css="muted",
        anchor="middle",
    )
    first = row.outline.bottom - GROUP_FOOT - (len(row.notes) - 1) * LINE_HEIGHT - 2
    notes = stacked([(note, "muted") for note in row.notes], row.outline.x + 10, first)
    visited = any(view.boxes[state].visits for state in row.states)
    return Part(marks=(row.outline, caption, *notes), dim=view.of_a_job and not visited)


def _lines(box: Box, *, wide: bool, chars: int | None = None) -> list[tuple[str, str]]:
    """Return the lines of text below the name of a state, each with its style."""
    lines: list[tuple[str, str]] = []
    time = time_in(box)
    if time and not wide:
        lines.append((time, "strong"))
    if box.missing and wide:
        missing = word_wrapped("missing: " + ", ".join(box.missing), WIDE_CHARS)
        lines.extend((line, "red-text") for line in missing)
    elif box.missing:
        lines.append(("missing:", "red-text"))
        lines.extend((resource, "red-text") for resource in box.missing)
    width = chars or WIDE_CHARS
    lines.extend((line, "red-text") for note in box.notes for line in word_wrapped(note, width))
    if wide or (chars and box.records_the_rest):
        lines.extend((line, "muted") for line in _records(box, width))
    return lines


def _records(box: Box, chars: int) -> list[str]:
    return word_wrapped(records_line(box), chars)


def _notes(view: View, states: tuple[State, ...]) -> Iterator[str]:
    for state in states:
        line = records_line(view.boxes[state])
        yield from word_wrapped(f"{state} {line}", NOTE_CHARS) if line else ()


def _height(box: Box, lines: list[tuple[str, str]]) -> float:
    return FIRST_LINE_Y + len(lines) * LINE_HEIGHT - (4 if lines else 6)


def beside(view: View, states: tuple[State, ...]) -> list[Arrow]:
    """Return the arrows between neighbouring states of one row."""
    pairs = list(pairwise(states))
    return [
        arrow
        for arrow in view.arrows
        if len(arrow.sources) == 1
        and ((arrow.sources[0], arrow.target) in pairs or (arrow.target, arrow.sources[0]) in pairs)
    ]


def _beside_height(view: View, states: tuple[State, ...]) -> float:
    return sum(beside_step(arrow) for arrow in beside(view, states)) + 4


def beside_step(arrow: Arrow) -> float:
    """Return the height that an arrow between neighbouring states needs.

    The labels stand above the arrow and the guards below it.
    """
    guards = sum(1 for label in arrow.labels if label.guard)
    return (len(arrow.labels) + guards) * LINE_HEIGHT + 8
