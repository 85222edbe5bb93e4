"""Layout of the lifecycle: states in a column, and a straight arrow to CLOSING for every ending.

The states before CLOSING stand one below the other, in the table's order. States that share a
deadline stand side by side. CLOSING is a bar as high as the column of states, so that no two arrows
cross. A state that is added to the table gets a row, and each arrow to CLOSING has its own height.
An arrow that cannot be straight is listed in words below the drawing, because it would cross other
arrows.
"""

from __future__ import annotations

from itertools import pairwise

from states.render.boxes import (
    COLUMN_WIDTH,
    COLUMN_X,
    Row,
    beside,
    beside_step,
    box_part,
    outline_part,
    row_at,
    rows_of,
)
from states.render.bundles import (
    SIDE_STEP,
    bundles_of,
    foot_of,
    gap,
    side_chars,
    side_height,
    side_lines,
)
from states.render.lanes import Lanes
from states.render.lanes import height as lanes_height
from states.render.legend import legend, losses
from states.render.marks import arrow_css, row_names, text_css
from states.render.scene import LINE_HEIGHT, Line, Mark, Part, Rect, Scene, Text
from states.render.view import Arrow, Label, View

WIDTH = 872.0
EDGE = 12.0
REGION_RIGHT = COLUMN_X + COLUMN_WIDTH + 11
BAR_X, BAR_WIDTH = 732.0, 128.0
END_X, END_HEIGHT = 640.0, 46.0


def layout(view: View) -> Scene:
    """Return the drawing of a view, with all positions computed."""
    return _Drawing(view).scene()


class _Drawing:
    """A drawing under construction. `drawn` lists the arrows that have been drawn so far."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.parts: list[Part] = []
        self.drawn: list[Arrow] = []
        self.lanes = Lanes(text_x=REGION_RIGHT + 9, end_x=BAR_X, of_a_job=view.of_a_job)
        self.top = EDGE + (34.0 if view.of_a_job else 0.0)
        self.rows = self._rows(self.top + 18)
        self.tail = [a for a in view.arrows if a.target is view.closing and a.sources == view.live]
        self.tail_y = self.rows[-1].outline.bottom + 14
        self.bottom = self.tail_y + max(20.0, lanes_height(self.tail) + 6)

    def scene(self) -> Scene:
        """Return the scene. The parts of the scene are in painting order, from back to front."""
        self._region()
        for row in self.rows:
            if row.is_group:
                self.parts.append(outline_part(self.view, row))
        for upper, lower in pairwise(self.rows):
            self._between(upper, lower)
        for row in self.rows:
            self._endings_of(row)
            self._beside(row)
            self.parts.extend(box_part(self.view, s, row.places[s]) for s in row.states)
        end_bottom = self._bar_and_end()
        legend_part, legend_bottom = legend(self.view, x=EDGE + 8, y=self.bottom + 24)
        self.parts.append(legend_part)
        bottom = max(end_bottom, legend_bottom)
        if self.view.losses:
            losses_part, bottom = losses(self.view, x=EDGE + 8, y=bottom)
            self.parts.append(losses_part)
        height = self._leftovers(bottom + 12)
        return Scene(
            width=WIDTH,
            height=height,
            title=self.view.title or "The lifecycle of a job",
            description=self.view.ending or "States, events, budgets, and how a job ends.",
            parts=(self._card(height), *self.parts),
        )

    def _rows(self, y: float) -> list[Row]:
        rows: list[Row] = []
        for states in rows_of(self.view):
            if rows:
                arrows = self._arrows_between(rows[-1].states, states)
                y = rows[-1].outline.bottom + gap(bundles_of(arrows, rows[-1].states, states))
            rows.append(row_at(self.view, states, self._endings(states), y))
        return rows

    def _card(self, height: float) -> Part:
        card = Rect(x=0.5, y=0.5, width=WIDTH - 1, height=height - 1, css="card", radius=10)
        title = Text(x=EDGE + 4, y=EDGE + 18, text=self.view.title, css="title")
        return Part(marks=(card, title) if self.view.of_a_job else (card,))

    def _region(self) -> None:
        """Draw the outline of all states before CLOSING, and their common arrows to CLOSING."""
        height = self.bottom - self.top
        region = Rect(x=EDGE, y=self.top, width=REGION_RIGHT - EDGE, height=height, css="region")
        name = f"any state before {self.view.closing}"
        caption = Text(
            x=COLUMN_X + 12, y=(self.tail_y + self.bottom) / 2 + 4, text=name, css="name"
        )
        taken = any(arrow.taken for arrow in self.tail)
        self.parts.append(Part(marks=(region,)))
        if self.tail:
            self.parts.append(Part(marks=(caption,), dim=self.view.of_a_job and not taken))
        self.parts.extend(self.lanes.draw(self.tail, start_x=REGION_RIGHT, y=self.tail_y))
        self.drawn.extend(self.tail)

    # --- arrows ------------------------------------------------------------------------------

    def _endings(self, states: tuple[object, ...]) -> list[Arrow]:
        """Return the arrows to CLOSING whose source states are all in `states`."""
        return [
            arrow
            for arrow in self.view.arrows
            if arrow.target is self.view.closing
            and set(arrow.sources) <= set(states)
            and arrow.sources != self.view.live
        ]

    def _endings_of(self, row: Row) -> None:
        endings = self._endings(row.states)
        y = row.outline.y + (row.outline.height - lanes_height(endings)) / 2
        for arrow in endings:
            last = row.places[row.states[-1]]
            start = last.right if arrow.sources == row.states[-1:] else row.outline.right
            self.parts.extend(self.lanes.draw([arrow], start_x=start, y=y))
            y += lanes_height([arrow])
        self.drawn.extend(endings)

    def _arrows_between(self, upper: tuple[object, ...], lower: tuple[object, ...]) -> list[Arrow]:
        return [
            arrow
            for arrow in self.view.arrows
            if (set(arrow.sources) <= set(upper) and arrow.target in lower)
            or (set(arrow.sources) <= set(lower) and arrow.target in upper)
        ]

    def _between(self, upper: Row, lower: Row) -> None:
        arrows = self._arrows_between(upper.states, lower.states)
        bundles = bundles_of(arrows, upper.states, lower.states)
        inside = len(bundles) == len(set(map(foot_of, bundles)))
        middle = (upper.outline.bottom + lower.outline.y) / 2
        for number, (foot, bundle) in enumerate(bundles, start=1):
            places = {**upper.places, **lower.places}
            x = COLUMN_X + COLUMN_WIDTH * number / (len(bundles) + 1)
            if inside:
                x = places[foot].middle if foot is not None else lower.outline.middle
            xs = [x + SIDE_STEP * (n - (len(bundle) - 1) / 2) for n in range(len(bundle))]
            # Labels stand between arrows that are far apart, and on the outer side of close arrows.
            left = len(bundles) > 1 and (x > COLUMN_X + COLUMN_WIDTH / 2) is inside
            anchor, text_x = ("end", xs[0] - 9) if left else ("start", xs[-1] + 9)
            chars = side_chars(bundles)
            y = middle - (side_height(bundle, chars) - LINE_HEIGHT) / 2 + 4
            for arrow, own_x in zip(bundle, xs, strict=True):
                self._arrow_between(arrow, own_x, upper, lower)
                lines = side_lines(arrow, chars)
                self._labels(arrow, lines, text_x, y, anchor)
                y += len(lines) * LINE_HEIGHT

    def _arrow_between(self, arrow: Arrow, x: float, upper: Row, lower: Row) -> None:
        high = (x, _place(arrow, upper, below=True))
        low = (x, _place(arrow, lower, below=False))
        start, end = (high, low) if arrow.target in lower.states else (low, high)
        self._arrow(arrow, Line(start=start, end=end, css=arrow_css(arrow)))

    def _beside(self, row: Row) -> None:
        """Draw the arrows between neighbouring states: events above an arrow, guards below it."""
        arrows = beside(self.view, row.states) if row.is_group else []
        first = row.places[row.states[0]]
        y = first.y + (first.height - sum(map(beside_step, arrows))) / 2
        for arrow in arrows:
            source, target = row.places[arrow.sources[0]], row.places[arrow.target]
            right = source.x < target.x
            start, end = (source.right, target.x) if right else (source.x, target.right)
            middle = (start + end) / 2
            line_y = y + len(arrow.labels) * LINE_HEIGHT + 1
            css = arrow_css(arrow)
            self._arrow(arrow, Line(start=(start, line_y), end=(end, line_y), css=css))
            above = [(label.cause, label) for label in arrow.labels]
            self._labels(arrow, above, middle, y + LINE_HEIGHT - 4, "middle")
            below = [(f"[{label.guard}]", label) for label in arrow.labels if label.guard]
            self._labels(arrow, below, middle, line_y + LINE_HEIGHT, "middle", again=True)
            y += beside_step(arrow)

    def _arrow(self, arrow: Arrow, line: Line) -> None:
        self.drawn.append(arrow)
        self.parts.append(Part(marks=(line,), dim=self.view.of_a_job and not arrow.taken))

    def _labels(
        self,
        arrow: Arrow,
        lines: list[tuple[str, Label]],
        x: float,
        y: float,
        anchor: str,
        *,
        again: bool = False,
    ) -> None:
        """Draw lines of text, one below the other, from `y` downwards.

        Pass `again` if the drawing already has other lines of the same labels; `rows` of the new
        parts is then empty.
        """
        marks: dict[Label, list[Mark]] = {}
        for n, (text, label) in enumerate(lines):
            css = text_css(arrow, label)
            mark = Text(x=x, y=y + n * LINE_HEIGHT, text=text, css=css, anchor=anchor)
            marks.setdefault(label, []).append(mark)
        for label, own in marks.items():
            rows = () if again else row_names(label)
            dim = self.view.of_a_job and not label.led_to
            self.parts.append(Part(marks=tuple(own), rows=rows, dim=dim))

    # --- the last state -----------------------------------------------------------------------

    def _bar_and_end(self) -> float:
        """Draw the bar of CLOSING, and below it the box of CLOSED. Return the box's bottom y."""
        view = self.view
        bar = Rect(x=BAR_X, y=self.top, width=BAR_WIDTH, height=self.bottom - self.top)
        last = [a for a in view.arrows if a.sources == (view.closing,) and a.target is view.end]
        gap = 22 + LINE_HEIGHT * len(last)
        place = Rect(x=END_X, y=bar.bottom + gap, width=WIDTH - EDGE - END_X, height=END_HEIGHT)
        for n, arrow in enumerate(last):
            x = bar.x + 14 + n * 20
            line = Line(start=(x, bar.bottom), end=(x, place.y), css=arrow_css(arrow))
            self._arrow(arrow, line)
            lines = [(label.text, label) for label in arrow.labels]
            if n == 0:
                self._labels(arrow, lines, x - 9, bar.bottom + gap / 2 + 4, "end")
            else:
                self._labels(arrow, lines, x + 9, bar.bottom + gap / 2 + 4, "start")
        self.parts.append(box_part(view, view.closing, bar))
        self.parts.append(box_part(view, view.end, place))
        css = ("way-red-text" if view.failed else "way-text") if view.ending else "muted"
        text = view.ending or "with an outcome and a reason"
        ending = Text(x=place.x + 12, y=place.y + 38, text=text, css=css)
        dim = view.of_a_job and not view.ending
        self.parts.append(Part(marks=(ending,), dim=dim))
        return place.bottom

    def _leftovers(self, y: float) -> float:
        """List in words the arrows that were not drawn. Return the height of the whole drawing."""
        view = self.view
        marks: list[Mark] = []
        for arrow in view.arrows:
            for label in () if arrow in self.drawn else arrow.labels:
                text = f"Also: {' or '.join(arrow.sources)} → {arrow.target}: {label.text}"
                css = text_css(arrow, label)
                marks.append(Text(x=EDGE + 8, y=y + 12, text=text, css=css))
                y += LINE_HEIGHT
        for stray in view.strays:
            text = f"Taken, but not in this table: {stray}"
            marks.append(Text(x=EDGE + 8, y=y + 12, text=text, css="way-text"))
            y += LINE_HEIGHT
        self.parts.append(Part(marks=tuple(marks)))
        return y + (10 if marks else 0)


def _place(arrow: Arrow, row: Row, *, below: bool) -> float:
    """Return the y at which an arrow leaves or enters a row.

    The y is the edge of the state's box, or of the row's outline if several states share the arrow.
    """
    ends = [row.places[s] for s in (*arrow.sources, arrow.target) if s in row.places]
    rect = ends[0] if len(ends) == 1 else row.outline
    return rect.bottom if below else rect.y
