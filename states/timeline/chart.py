"""A chart independent of the output format: rows of bars over a time axis, one panel per topic.

Names stand in a column on the left, and figures in a column on the right, so that a label needs no
space beside its bar, even if the bar is short or near the end of the axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from states.render.marks import word_wrapped
from states.render.scene import (
    LINE_HEIGHT,
    PALETTES,
    TEXT_SIZE,
    Line,
    Mark,
    Part,
    Rect,
    Scene,
    Text,
)

#: Width of a chart in pixels. GitHub shows a README about 830 px wide.
WIDTH: Final = 870.0
_LEFT: Final = 168.0
_RIGHT: Final = 652.0
_MARGIN: Final = 16.0
_ROW: Final = 18.0
_GAP: Final = 9.0
_BAR: Final = 10.0
_THIN: Final = 3.0
_LEAST_BAR: Final = 2.0

#: Widths of a thin, a wide and any other character in ems, measured in DejaVu Sans, the widest of
#: the requested fonts.
_THIN_EM: Final = 0.4
_WIDE_EM: Final = 0.78
_USUAL_EM: Final = 0.62
_BOLD: Final = 1.12

_NAME_WIDTH: Final = _LEFT - _MARGIN - 10
_FIGURE_WIDTH: Final = WIDTH - _RIGHT - _MARGIN - 12
_HEAD_WIDTH: Final = WIDTH - 2 * _MARGIN
#: Number of characters that fit into a line above the axis, and into a line of the legend.
_HEAD_CHARS: Final = int(_HEAD_WIDTH / (TEXT_SIZE * 0.54))


@dataclass(frozen=True, kw_only=True)
class Span:
    """A bar from `start` to `end` seconds. `label` is written inside the bar if it fits there."""

    start: float
    end: float
    css: str = "bar"
    label: str = ""
    #: True for a thin bar, which shows the full range behind a bar that shows a part of the range.
    thin: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a panel: a name, bars, ticks and figures."""

    name: str
    spans: tuple[Span, ...] = ()
    #: Short vertical marks in the row: the time in seconds, and the style.
    ticks: tuple[tuple[float, str], ...] = ()
    figures: str = ""
    name_css: str = "text"
    figures_css: str = "muted"
    #: Name of the row that this row waited for; empty if the row waited for none.
    waited_for: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A part of a chart: a title, a summary in words, a time axis, and groups of rows."""

    title: str
    words: tuple[tuple[str, str], ...]
    start: float
    end: float
    groups: tuple[tuple[Row, ...], ...]
    #: Time ranges that are shown behind all rows. Every second range is shaded.
    bands: tuple[tuple[float, float], ...] = ()
    #: Vertical lines across all rows: the time, the label below the line, and the style.
    lines: tuple[tuple[float, str, str], ...] = ()
    #: True if the axis is logarithmic.
    log: bool = False
    #: The heading of the column of figures.
    figures: str = ""

    def x(self, t: float) -> float:
        """Return the x of the time `t`; for a time outside the axis, the x of the nearer end."""
        if self.log:
            low, high = math.log10(self.start), math.log10(self.end)
            part = (math.log10(max(t, self.start)) - low) / (high - low)
        else:
            part = (t - self.start) / max(self.end - self.start, 1e-9)
        return _LEFT + min(1.0, max(0.0, part)) * (_RIGHT - _LEFT)


def scene(panels: tuple[Panel, ...], *, title: str, description: str, legend: str) -> Scene:
    """Return a scene with all panels, one below the other, and the legend below them."""
    parts: list[Part] = []
    y = 12.0
    for panel in panels:
        drawn, y = _panel(panel, y)
        parts += drawn
    lines = word_wrapped(legend, _HEAD_CHARS)
    for line in lines:
        y += LINE_HEIGHT
        parts.append(Part(marks=(Text(x=_MARGIN, y=y, text=line, css="muted"),)))
    height = y + 14
    card = Rect(x=0.5, y=0.5, width=WIDTH - 1, height=height - 1, css="card")
    return Scene(
        width=WIDTH,
        height=height,
        title=title,
        description=description,
        parts=(Part(marks=(card,)), *parts),
    )


def _panel(panel: Panel, y: float) -> tuple[list[Part], float]:
    """Return the parts of a panel, and the y at which the next panel may begin."""
    head: list[Mark] = []
    y += 18
    head.append(Text(x=_MARGIN, y=y, text=_cut(panel.title, "title", _HEAD_WIDTH), css="title"))
    for text, css in panel.words:
        for line in word_wrapped(text, _HEAD_CHARS):
            y += LINE_HEIGHT + 1
            head.append(Text(x=_MARGIN, y=y, text=line, css=css))
    top = y + 28
    rows: list[tuple[Row, float]] = []
    y = top + 4
    for group in (group for group in panel.groups if group):
        for row in group:
            rows.append((row, y))
            y += _ROW
        y += _GAP
    if not rows:
        return [Part(marks=tuple(head))], top - 12
    behind = [*_bands(panel, top, y), *_axis(panel, top, y)]
    below = list(_lines(panel, top, y))
    parts = [
        Part(marks=tuple(head)),
        Part(marks=tuple(behind)),
        *(Part(marks=tuple(_row(panel, row, at)), rows=(row.name,)) for row, at in rows),
        Part(marks=tuple(_links(panel, rows))),
        Part(marks=tuple(below)),
    ]
    return [part for part in parts if part.marks], y + (LINE_HEIGHT if below else 0) + 12


def _bands(panel: Panel, top: float, bottom: float) -> Iterator[Mark]:
    for start, end in panel.bands[1::2]:
        left, right = panel.x(start), panel.x(end)
        yield Rect(
            x=left, y=top, width=max(1.0, right - left), height=bottom - top, css="band", radius=0
        )


def _axis(panel: Panel, top: float, bottom: float) -> Iterator[Mark]:
    for at, label in _axis_ticks(panel):
        x = panel.x(at)
        # The line is a rectangle, because every output format paints rectangles behind the bars.
        yield Rect(x=x - 0.5, y=top, width=1, height=bottom - top, css="bar-soft", radius=0)
        yield Text(x=x, y=top - 5, text=label, css="muted", anchor="middle")
    if panel.figures:
        yield Text(x=_RIGHT + 12, y=top - 5, text=panel.figures, css="muted")


def _axis_ticks(panel: Panel) -> Iterator[tuple[float, str]]:
    # Limit the position of the last label, so that it does not overlap the column of figures.
    last = _RIGHT - (40 if panel.figures else 0)
    if panel.log:
        low, high = math.ceil(math.log10(panel.start)), math.floor(math.log10(panel.end))
        found = [10.0**power for power in range(low, high + 1)]
    else:
        step = _round_step((panel.end - panel.start) / 6)
        first = math.ceil(panel.start / step - 1e-9)
        found = [n * step for n in range(first, math.floor(panel.end / step + 1e-9) + 1)]
    for at in found:
        if panel.x(at) <= last:
            yield at, clock(at, at if panel.log else panel.end)


def _round_step(least: float) -> float:
    """Return the smallest round distance of axis ticks, in seconds, that is at least `least`.

    Round distances are 1, 2 or 5 times a power of ten, and whole minutes and hours.
    """
    if 30 < least <= 1800:
        return next(60.0 * n for n in (1, 2, 5, 10, 15, 30) if 60 * n >= least)
    unit = 3600.0 if least > 1800 else 1.0
    power = unit * 10.0 ** math.floor(math.log10(max(least / unit, 1e-4)))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= least * (1 - 1e-9))


def clock(at: float, longest: float) -> str:
    """Format a time on an axis: `200 ms`, `1.5 s` or `12:30`.

    `longest` is the end of the axis and determines the unit.
    """
    if longest > 120:
        return f"{int(at) // 60}:{int(at) % 60:02d}"
    return f"{at * 1000:g} ms" if at < 1 and longest < 2 else f"{at:g} s"


def _row(panel: Panel, row: Row, y: float) -> Iterator[Mark]:
    base = y + _ROW / 2 + TEXT_SIZE * 0.35
    name = _cut(row.name, row.name_css, _NAME_WIDTH)
    yield Text(x=_LEFT - 10, y=base, text=name, css=row.name_css, anchor="end")
    for span in row.spans:
        yield from _span(panel, span, y, base)
    for at, css in row.ticks:
        x = panel.x(at)
        yield Line(start=(x, y + 2), end=(x, y + _ROW - 2), css=css, head=False)
    if row.figures:
        text = _cut(row.figures, row.figures_css, _FIGURE_WIDTH)
        yield Text(x=_RIGHT + 12, y=base, text=text, css=row.figures_css)


def _span(panel: Panel, span: Span, y: float, base: float) -> Iterator[Mark]:
    if span.end < panel.start or span.start > panel.end:
        return
    left, right = panel.x(span.start), panel.x(span.end)
    height = _THIN if span.thin else _BAR + (4 if span.label else 0)
    width = max(_LEAST_BAR, right - left)
    yield Rect(
        x=min(left, _RIGHT - width),
        y=y + (_ROW - height) / 2,
        width=width,
        height=height,
        css=span.css,
        radius=0,
    )
    if span.label and text_width(span.label, "bar-text") + 6 < width:
        yield Text(x=left + width / 2, y=base, text=span.label, css="bar-text", anchor="middle")


def _links(panel: Panel, rows: list[tuple[Row, float]]) -> Iterator[Mark]:
    """Yield lines that link each bar to the bar of the row that `Row.waited_for` names."""
    places = {row.name: (row, y + _ROW / 2) for row, y in rows if row.spans}
    for row, y in places.values():
        if row.waited_for not in places:
            continue
        before, start_y = places[row.waited_for]
        end_x, x = panel.x(before.spans[-1].end), panel.x(row.spans[0].start)
        corners = [(end_x, start_y), (x, start_y), (x, y)]
        for one, other in pairwise(corners):
            if one != other:
                yield Line(start=one, end=other, css="way-link", head=False)


def _lines(panel: Panel, top: float, bottom: float) -> Iterator[Mark]:
    for at, label, css in panel.lines:
        x = panel.x(at)
        yield Line(start=(x, top), end=(x, bottom), css=css, head=False)
        text_css = "red-text" if css.startswith("failure") else "muted"
        half = text_width(label, text_css) / 2
        at_x = min(max(x, _LEFT + half), WIDTH - _MARGIN - half)
        yield Text(x=at_x, y=bottom + LINE_HEIGHT - 2, text=label, css=text_css, anchor="middle")


def text_width(text: str, css: str) -> float:
    """Return an upper limit of the width of `text` in pixels, in the style `css`."""
    look = PALETTES["light"][css]
    return sum(map(_ems, text)) * look.size * (_BOLD if look.bold else 1.0)


def _ems(character: str) -> float:
    if character in " .,:;'|!()[]fijlrt":
        return _THIN_EM
    return _WIDE_EM if character.isupper() or character in "mw%@" else _USUAL_EM


def _cut(text: str, css: str, width: float) -> str:
    if text_width(text, css) <= width:
        return text
    # Limit the length first, because a name in a journal may have any length. No character is
    # narrower than a full stop.
    text = text[: int(width / text_width(".", css)) + 1]
    while text and text_width(text + "…", css) > width:
        text = text[:-1]
    return text.rstrip() + "…"
