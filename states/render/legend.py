"""The legend of a drawing: line styles, colours, numbers, and what each lost resource means."""

from __future__ import annotations

from states.render.scene import LINE_HEIGHT, Badge, Line, Mark, Part, Text
from states.render.view import View

ROW_HEIGHT = 20.0
COLUMN_WIDTH = 250.0
#: Width of the column of resource names.
NAMES_WIDTH = 100.0

_TABLE = (
    ("event", "an event"),
    ("event-timeout", "the state's budget ran out"),
    ("failure", "the job has failed"),
)


def legend(view: View, *, x: float, y: float) -> tuple[Part, float]:
    """Return the legend, whose first line is at `y`, and the y of the legend's bottom."""
    marks: list[Mark] = []
    for n, (css, text) in enumerate(_TABLE):
        line_y = y + n * ROW_HEIGHT
        marks.append(Line(start=(x, line_y), end=(x + 36, line_y), css=css))
        marks.append(Text(x=x + 46, y=line_y + 4, text=text, css="muted"))
    right = x + COLUMN_WIDTH
    words = ["outcome · Reason: how the job ends", "[condition on the resources]"]
    if not view.of_a_job:
        words.append("records: written without a state change")
    for n, text in enumerate(words):
        marks.append(Text(x=right + 46, y=y + n * ROW_HEIGHT + 4, text=text, css="muted"))
    if view.of_a_job:
        line_y = y + 2 * ROW_HEIGHT
        marks.append(Line(start=(right - 20, line_y), end=(right + 16, line_y), css="way-event"))
        marks.append(Badge(x=right + 30, y=line_y, text="1"))
        marks.append(Text(x=right + 46, y=line_y + 4, text="the path of this job", css="muted"))
    return Part(marks=tuple(marks)), y + len(_TABLE) * ROW_HEIGHT - 8


def losses(view: View, *, x: float, y: float) -> tuple[Part, float]:
    """Return the drawn explanations of missing resources, and the y at which they end."""
    marks = [Text(x=x, y=y + LINE_HEIGHT, text="without", css="strong")]
    for n, (name, means) in enumerate(view.losses.items(), start=2):
        line_y = y + n * LINE_HEIGHT
        marks.append(Text(x=x, y=line_y, text=name, css="text"))
        marks.append(Text(x=x + NAMES_WIDTH, y=line_y, text=means, css="muted"))
    return Part(marks=tuple(marks)), y + (len(view.losses) + 1) * LINE_HEIGHT + 12
