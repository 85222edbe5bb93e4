"""The drawing of the dialogue: a box for each phase, and one edge from it to each next phase."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from states.render import write_png, write_svg
from states.render.scene import LINE_HEIGHT, Line, Mark, Part, Rect, Scene, Text
from worker.interview.dialogue.phases import Phase
from worker.interview.dialogue.row import Row, Way
from worker.interview.dialogue.table import ROWS

WIDTH: Final = 872.0
_BOX_X, _BOX_WIDTH, _ARROW_X, _TARGET_X, _TEXT_X = 16.0, 250.0, 316.0, 324.0, 490.0
_CHARS, _WORDS_CHARS = 58, 36
#: Acts and events that are named on one edge; the number of others follows.
_MOST_NAMES: Final = 9
_WAYS: Final = {
    Way.NEXT: "the next question",
    Way.RETURN: "back",
    Way.AGAIN: "ASKING again",
    Way.RESUME: "where it was",
    Way.TARGET: "an earlier question",
}


def svg() -> str:
    """Return the table of the dialogue as SVG for light and dark pages."""
    return write_svg.write(scene())


def png() -> bytes:
    """Return the table of the dialogue as PNG. Raises RenderUnavailable without resvg-py."""
    return write_png.write(scene())


def scene() -> Scene:
    """Return the drawing, with all positions computed."""
    parts: list[Part] = []
    y = 16.0
    for phase in (*Phase, None):
        part, y = _box(phase, y)
        parts.append(part)
    card = Rect(x=0.5, y=0.5, width=WIDTH - 1, height=y - 1, css="card", radius=10)
    return Scene(
        width=WIDTH,
        height=y,
        title="The dialogue of an interview",
        description="The phases, and the acts and events that lead from one to another.",
        parts=(Part(marks=(card,)), *parts),
    )


def _box(phase: Phase | None, y: float) -> tuple[Part, float]:
    """Return the box of a phase (None: any phase) with its edges, and the y below the box."""
    edges = list(_edges(phase))
    answers = wrap(phase.text if phase else "holds where the phase has no row", _WORDS_CHARS)
    lines = sum(len(words) for _, words, _ in edges)
    height = max(24 + LINE_HEIGHT * len(answers), LINE_HEIGHT * lines + 4 * len(edges) + 8)
    css = "state" if phase else "region"
    marks: list[Mark] = [Rect(x=_BOX_X, y=y, width=_BOX_WIDTH, height=height, css=css)]
    marks.append(Text(x=_BOX_X + 12, y=y + 18, text=phase or "any phase", css="name"))
    for number, text in enumerate(answers):
        line_y = y + 34 + number * LINE_HEIGHT
        marks.append(Text(x=_BOX_X + 12, y=line_y, text=text, css="muted"))
    at = y + 14
    for target, words, rows in edges:
        start = (_BOX_X + _BOX_WIDTH, at - 4)
        style = "event-timeout" if all(name.islower() for name in rows) else "event"
        marks.append(Line(start=start, end=(_ARROW_X, at - 4), css=style))
        marks.append(Text(x=_TARGET_X, y=at, text=target, css="strong"))
        for text in words:
            marks.append(Text(x=_TEXT_X, y=at, text=text, css="text"))
            at += LINE_HEIGHT
        at += 4
    return Part(marks=tuple(marks)), y + height + 12


def _edges(phase: Phase | None) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each next phase with the acts and events that lead there.

    The acts and events are given as text lines to draw, and as a full list of names.
    """
    merged: dict[str, dict[str, None]] = {}
    for row in ROWS:
        if _phase(row) is phase and row.to is not Way.STAY:
            merged.setdefault(_target(row), {}).update((name, None) for name in _names(row))
    for target, found in merged.items():
        names = list(found)
        shown = ", ".join(name.replace("_", " ") for name in names[:_MOST_NAMES])
        more = len(names) - _MOST_NAMES
        text = f"{shown} and {more} more" if more > 0 else shown
        yield target, wrap(text, _CHARS), names


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
