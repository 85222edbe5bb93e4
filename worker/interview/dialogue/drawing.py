"""The drawing of the dialogue: a box for each phase, and one arrow from it to each next phase.

With the records of a job, the visited phases and the arrows that the job took are highlighted, each
with the number of times. All others are dimmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from states.render import write_png, write_svg
from states.render.scene import LINE_HEIGHT, Line, Mark, Part, Rect, Scene, Text
from worker.interview.dialogue.drawing_view import Arrow, Box, View, view

WIDTH: Final = 872.0
_BOX_X, _BOX_WIDTH, _ARROW_X, _TARGET_X, _TEXT_X = 16.0, 250.0, 316.0, 324.0, 490.0
_CHARS, _WORDS_CHARS, _LINE_CHARS = 58, 36, 130
_KEY: Final = "Blue: the path of this job, each part with the number of times. Pale: not on it."


def svg(shown: View | None = None) -> str:
    """Return the table of the dialogue, or a job's path in it, as SVG for light and dark pages."""
    return write_svg.write(scene(shown))


def png(shown: View | None = None) -> bytes:
    """Return the same drawing as `svg`, as PNG. Raises RenderUnavailable without resvg-py."""
    return write_png.write(scene(shown))


def scene(shown: View | None = None) -> Scene:
    """Return the drawing of a view, by default of the table, with all positions computed."""
    shown = shown or view()
    parts: list[Part] = []
    y = 16.0
    if shown.of_a_job:
        part, y = _lines((shown.title, "title"), (_KEY, "muted"), y=y)
        parts.append(part)
    for box in shown.boxes:
        drawn, y = _box(box, y, of_a_job=shown.of_a_job)
        parts += drawn
    if shown.strays:
        strays = (f"Taken, but not in this version's table: {each}" for each in shown.strays)
        part, y = _lines(*((each, "red-text") for each in strays), y=y)
        parts.append(part)
    card = Rect(x=0.5, y=0.5, width=WIDTH - 1, height=y - 1, css="card", radius=10)
    return Scene(
        width=WIDTH,
        height=y,
        title=shown.title or "The dialogue of an interview",
        description="The phases, and the acts and events that lead from one to another.",
        parts=(Part(marks=(card,)), *parts),
    )


def _lines(*texts: tuple[str, str], y: float) -> tuple[Part, float]:
    """Return lines of text, each with its style, and the y below them."""
    marks: list[Mark] = []
    for text, css in texts:
        for line in wrap(text, _LINE_CHARS):
            marks.append(Text(x=_BOX_X, y=y + 14, text=line, css=css))
            y += LINE_HEIGHT + 3
    return Part(marks=tuple(marks)), y + 8


def _box(box: Box, y: float, *, of_a_job: bool) -> tuple[list[Part], float]:
    """Return the box of a phase with its arrows, and the y below the box."""
    about = [(line, "muted") for line in wrap(box.about, _WORDS_CHARS)]
    if box.visits:
        about.append((f"{box.visits} visit{'s' if box.visits > 1 else ''}", "way-text"))
    texts = [wrap(arrow.text, _CHARS) for arrow in box.arrows]
    lines = sum(map(len, texts))
    height = max(24 + LINE_HEIGHT * len(about), LINE_HEIGHT * lines + 4 * len(texts) + 8)
    css = "visited" if box.on_the_path else "state" if box.phase else "region"
    marks: list[Mark] = [Rect(x=_BOX_X, y=y, width=_BOX_WIDTH, height=height, css=css)]
    marks.append(Text(x=_BOX_X + 12, y=y + 18, text=box.name, css="name"))
    for number, (text, style) in enumerate(about):
        line_y = y + 34 + number * LINE_HEIGHT
        marks.append(Text(x=_BOX_X + 12, y=line_y, text=text, css=style))
    parts = [Part(marks=tuple(marks), dim=of_a_job and not box.on_the_path)]
    at = y + 14
    for arrow, words in zip(box.arrows, texts, strict=True):
        dim = of_a_job and not arrow.taken
        parts.append(Part(marks=tuple(_arrow(arrow, words, at)), rows=arrow.rows, dim=dim))
        at += LINE_HEIGHT * len(words) + 4
    return parts, y + height + 12


def _arrow(arrow: Arrow, words: list[str], at: float) -> Iterator[Mark]:
    """Yield the marks of an arrow whose first line of text has its baseline at `at`."""
    taken = "way-" if arrow.taken else ""
    css = taken + ("event-timeout" if arrow.of_events else "event")
    yield Line(start=(_BOX_X + _BOX_WIDTH, at - 4), end=(_ARROW_X, at - 4), css=css)
    if arrow.taken:
        middle = (_BOX_X + _BOX_WIDTH + _ARROW_X) / 2 - 6
        yield Text(x=middle, y=at - 8, text=f"{arrow.taken}x", css="way-text", anchor="middle")
    yield Text(x=_TARGET_X, y=at, text=arrow.target, css="way-text" if arrow.taken else "strong")
    for number, text in enumerate(words):
        yield Text(x=_TEXT_X, y=at + number * LINE_HEIGHT, text=text, css="text")
