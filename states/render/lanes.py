"""The lanes from the states to the bar of CLOSING: one lane per arrow that ends a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from states.render.marks import arrow_css, row_names, text_css
from states.render.scene import LINE_HEIGHT, Line, Mark, Part, Text
from states.render.view import Arrow, Label

#: Pixels below the last label of a lane, for the lane's line and the space before the next lane.
LANE_FOOT = 13.0
#: Maximum characters of a line that shows the event, its guard and the outcome. If the text is
#: longer, the guard is on a separate line.
LANE_CHARS = 52


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """Positions of the lanes in pixels: `text_x` of the labels, `end_x` of the bar of CLOSING."""

    text_x: float
    end_x: float
    #: True for a drawing of one job: edges that the job did not take are dimmed.
    of_a_job: bool

    def draw(self, arrows: Iterable[Arrow], *, start_x: float, y: float) -> Iterator[Part]:
        """Yield the parts of the arrows, one below the other, from `y` downwards."""
        for arrow in arrows:
            for label in arrow.labels:
                lines = _lines(label)
                yield self._label(arrow, label, lines, y)
                y += len(lines) * LINE_HEIGHT
            line = Line(start=(start_x, y + 4), end=(self.end_x, y + 4), css=arrow_css(arrow))
            yield Part(marks=(line,), dim=self.of_a_job and not arrow.taken)
            y += LANE_FOOT

    def _label(self, arrow: Arrow, label: Label, lines: list[str], y: float) -> Part:
        css = text_css(arrow, label)
        marks: list[Mark] = [
            Text(x=self.text_x, y=y + (index + 1) * LINE_HEIGHT - 4, text=line, css=css)
            for index, line in enumerate(lines)
        ]
        if label.ending:
            marks.append(
                Text(
                    x=self.end_x - 12,
                    y=y + LINE_HEIGHT - 4,
                    text=label.ending,
                    css=css,
                    anchor="end",
                )
            )
        return Part(
            marks=tuple(marks),
            rows=row_names(label),
            dim=self.of_a_job and not label.led_to,
        )


def height(arrows: Iterable[Arrow]) -> float:
    """Return the height of the lanes of `arrows` in pixels."""
    return sum(
        LANE_FOOT + sum(len(_lines(label)) for label in arrow.labels) * LINE_HEIGHT
        for arrow in arrows
    )


def _lines(label: Label) -> list[str]:
    """Return the lines of a label: the cause, the guard, and the states that the job came from.

    The guard is on the line of the cause if both fit there. The label of an arrow that starts at
    one state of a row of several states names that state.
    """
    guard = f"[{label.guard}]" if label.guard else ""
    whole = f"{label.cause} {guard}".strip()
    lines = [whole] if len(whole) + len(label.ending) <= LANE_CHARS else [label.cause, guard]
    if label.led_to and len(label.edges) > 1:
        taken = dict.fromkeys(edge.source for edge in label.taken)
        lines.append("from " + " and ".join(taken))
    elif label.of_one:
        lines.append(f"from {label.edges[0].source}")
    return [line for line in lines if line]
