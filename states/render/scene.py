"""A drawing independent of the output format: rectangles, lines and text, placed in pixels.

y grows downwards. `css` is the style name of a mark; `PALETTES` defines the look of each style.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Size of text in pixels. In a README, GitHub scales a drawing 872 px wide down to about 830 px, so
#: 11.5 px appear as 11 px.
TEXT_SIZE = 11.5
NAME_SIZE = 13.0
LINE_HEIGHT = 15.0


@dataclass(frozen=True, kw_only=True)
class Rect:
    """A rectangle with rounded corners, drawn or used only as the bounds of a drawn object."""

    x: float
    y: float
    width: float
    height: float
    css: str = ""
    radius: float = 8.0

    @property
    def right(self) -> float:
        """The x of the right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y coordinate of the rectangle's bottom side."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """The x half way between the left and the right side."""
        return self.x + self.width / 2


@dataclass(frozen=True, kw_only=True)
class Line:
    """A straight line. If `head` is set, the line is an arrow with its head at `end`."""

    start: tuple[float, float]
    end: tuple[float, float]
    css: str
    head: bool = True


@dataclass(frozen=True, kw_only=True)
class Text:
    """One line of text.

    `anchor` says whether (`x`, `y`) is the start, the middle or the end of the baseline.
    """

    x: float
    y: float
    text: str
    css: str = "text"
    anchor: str = "start"


@dataclass(frozen=True, kw_only=True)
class Badge:
    """A number in a circle."""

    x: float
    y: float
    text: str


Mark = Rect | Line | Text | Badge


@dataclass(frozen=True, kw_only=True)
class Part:
    """Marks that belong together. `rows` are the rows of the state table that the marks show."""

    marks: tuple[Mark, ...]
    rows: tuple[str, ...] = ()
    #: True for marks that are not on the path of the drawn job.
    dim: bool = False


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A whole drawing. `parts` are in painting order."""

    width: float
    height: float
    title: str
    description: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colours and strokes of one style. None means that the fill or the stroke is not drawn."""

    fill: str | None = None
    stroke: str | None = None
    width: float = 1.0
    dashed: bool = False
    bold: bool = False
    size: float = TEXT_SIZE


def _palette(c: Mapping[str, str]) -> dict[str, Look]:
    text, muted, red, way = c["text"], c["muted"], c["red"], c["way"]
    return {
        "card": Look(fill=c["card"], stroke=c["border"]),
        "region": Look(fill=c["region"], stroke=c["border"]),
        "group": Look(fill=c["group"], stroke=c["border"]),
        "state": Look(fill=c["card"], stroke=muted, width=1.2),
        "visited": Look(fill=c["visited"], stroke=way, width=2.4),
        "broken": Look(fill=c["broken"], stroke=red, width=2.4),
        "name": Look(fill=text, bold=True, size=NAME_SIZE),
        "title": Look(fill=text, bold=True, size=NAME_SIZE),
        "text": Look(fill=text),
        "strong": Look(fill=text, bold=True),
        "muted": Look(fill=muted),
        "red-text": Look(fill=red),
        "way-text": Look(fill=way, bold=True),
        "way-red-text": Look(fill=red, bold=True),
        "event": Look(stroke=muted, width=1.4),
        "event-timeout": Look(stroke=muted, width=1.4, dashed=True),
        "failure": Look(stroke=red, width=1.4),
        "failure-timeout": Look(stroke=red, width=1.4, dashed=True),
        "way-event": Look(stroke=way, width=3.2),
        "way-event-timeout": Look(stroke=way, width=3.2, dashed=True),
        "way-failure": Look(stroke=red, width=3.2),
        "way-failure-timeout": Look(stroke=red, width=3.2, dashed=True),
        "bar": Look(fill=c["bar"]),
        "bar-soft": Look(fill=c["border"]),
        "bar-way": Look(fill=way),
        "bar-red": Look(fill=red),
        "band": Look(fill=c["region"]),
        "bar-text": Look(fill=c["on-way"]),
        "median": Look(stroke=text, width=2.4),
        "seam": Look(stroke=c["card"], width=2.0),
        "way-link": Look(stroke=way, width=1.6),
        "badge": Look(fill=way),
        "badge-text": Look(fill=c["on-way"], bold=True),
    }


#: GitHub's own colours (https://primer.style/product/primitives/color/), light and dark.
PALETTES: Mapping[str, Mapping[str, Look]] = {
    "light": _palette(
        {
            "card": "#ffffff",
            "border": "#d1d9e0",
            "region": "#f6f8fa",
            "group": "#eaeef2",
            "text": "#1f2328",
            "muted": "#59636e",
            "bar": "#6e7781",
            "red": "#cf222e",
            "way": "#0969da",
            "visited": "#ddf4ff",
            "broken": "#ffebe9",
            "on-way": "#ffffff",
        }
    ),
    "dark": _palette(
        {
            "card": "#0d1117",
            "border": "#3d444d",
            "region": "#151b23",
            "group": "#1f2731",
            "text": "#f0f6fc",
            "muted": "#9198a1",
            "bar": "#8b949e",
            "red": "#ff7b72",
            "way": "#4493f8",
            "visited": "#12283f",
            "broken": "#3c1618",
            "on-way": "#0d1117",
        }
    ),
}

#: Opacity of marks that are not on the job's path.
DIM_OPACITY = 0.42
