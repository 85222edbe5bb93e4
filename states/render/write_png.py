"""Writes a scene as PNG with Graphviz, which is part of the pygraphviz wheel.

Graphviz does not compute the layout. Every mark has a fixed position (`nop2`,
https://graphviz.org/faq/#FaqDotWithCoords), so the PNG shows the same drawing as the SVG.
"""

from __future__ import annotations

from typing import Any

from states.render.scene import (
    DIM_OPACITY,
    PALETTES,
    Badge,
    Line,
    Look,
    Mark,
    Rect,
    Scene,
    Text,
)

#: Twice the 72 points of an inch, so that the picture is sharp on a high-density screen.
DPI = 144
#: Width of a node with text, in ems per character. Graphviz aligns the text inside the node.
CHARACTER_ROOM = 0.8
FONT = "Helvetica,Arial,Liberation Sans,DejaVu Sans,sans"


class RenderUnavailable(Exception):
    """Raised if an output format needs pygraphviz, but pygraphviz cannot be imported.

    pygraphviz is not installed, or cannot load its own copy of Graphviz.
    """

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(f"{wanted} needs pygraphviz: pip install pygraphviz==2.0.4")


def write(scene: Scene) -> bytes:
    """Return the scene as a PNG in light colours.

    Raises RenderUnavailable if pygraphviz cannot be imported.
    """
    try:
        import pygraphviz  # type: ignore[import-untyped]  # ships no types
    except ImportError as error:
        raise RenderUnavailable("a PNG") from error
    graph = pygraphviz.AGraph(
        directed=True,
        dpi=DPI,
        pad=0,
        margin=0,
        bgcolor=PALETTES["light"]["card"].fill,
        outputorder="nodesfirst",
    )
    painter = _Painter(graph, scene)
    for part in scene.parts:
        for mark in part.marks:
            painter.paint(mark, dim=part.dim)
    painted: bytes = graph.draw(format="png", prog="nop2")
    return painted


class _Painter:
    """Adds marks to a graph as nodes and edges with fixed positions. Graphviz's y grows upwards."""

    def __init__(self, graph: Any, scene: Scene) -> None:
        self._graph = graph
        self._width, self._height = scene.width, scene.height
        self._count = 0

    def paint(self, mark: Mark, *, dim: bool) -> None:
        match mark:
            case Rect():
                self._rect(mark, dim)
            case Text():
                self._text(mark, dim)
            case Badge():
                self._badge(mark, dim)
            case Line():
                self._line(mark, dim)

    def _rect(self, rect: Rect, dim: bool) -> None:
        look = _look(rect.css)
        self._node(
            rect.middle,
            rect.y + rect.height / 2,
            rect.width,
            rect.height,
            shape="box",
            style="rounded,filled" if rect.radius else "filled",
            fillcolor=_colour(look.fill, dim),
            color=_colour(look.stroke, dim),
            penwidth=look.width,
        )

    def _text(self, text: Text, dim: bool) -> None:
        look = _look(text.css)
        end = {"start": r"\l", "middle": "", "end": r"\r"}[text.anchor]
        room = look.size * (1 + CHARACTER_ROOM * len(text.text))
        # A node that reaches beyond the picture would widen the picture.
        if text.anchor == "start":
            room = min(room, self._width - text.x)
        elif text.anchor == "end":
            room = min(room, text.x)
        shift = {"start": room / 2, "middle": 0.0, "end": -room / 2}[text.anchor]
        self._node(
            text.x + shift,
            text.y - look.size * 0.34,  # from the baseline to the middle of the letters
            room,
            look.size * 2,
            shape="none",
            label=_escaped(text.text) + end,
            **_font(look, dim),
        )

    def _badge(self, badge: Badge, dim: bool) -> None:
        self._node(
            badge.x,
            badge.y,
            20,
            20,
            shape="circle",
            style="filled",
            fillcolor=_colour(_look("badge").fill, dim),
            color=_colour(_look("badge").fill, dim),
        )
        text = Text(x=badge.x, y=badge.y + 4, text=badge.text, css="badge-text", anchor="middle")
        self._text(text, dim)

    def _line(self, line: Line, dim: bool) -> None:
        look = _look(line.css)
        ends = [self._node(x, y, 4, 4, style="invis") for x, y in (line.start, line.end)]
        (x0, y0), (x1, y1) = line.start, line.end
        long = 7 + look.width
        length = max(abs(x1 - x0), abs(y1 - y0))
        part = (length - long) / length if line.head and length > long else 1.0
        back = (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part)
        points = " ".join(self._at(*point) for point in (line.start, line.start, back, back))
        self._graph.add_edge(
            *ends,
            pos=(f"e,{self._at(*line.end)} " if line.head else "") + points,
            color=_colour(look.stroke, dim),
            penwidth=look.width,
            style="dashed" if look.dashed else "solid",
            arrowsize=long / 10,
        )

    def _node(self, x: float, y: float, width: float, height: float, **says: Any) -> str:
        name = f"m{self._count}"
        self._count += 1
        self._graph.add_node(
            name,
            pos=self._at(x, y),
            width=width / 72,
            height=height / 72,
            fixedsize=True,
            margin=0,
            **{"label": "", **says},
        )
        return name

    def _at(self, x: float, y: float) -> str:
        return f"{x:.2f},{self._height - y:.2f}"


def _look(css: str) -> Look:
    return PALETTES["light"][css]


def _font(look: Look, dim: bool) -> dict[str, Any]:
    return {
        "fontname": FONT + (" bold" if look.bold else ""),
        "fontsize": look.size,
        "fontcolor": _colour(look.fill, dim),
    }


def _colour(colour: str | None, dim: bool) -> str:
    if colour is None:
        return "transparent"
    return f"{colour}{round(DIM_OPACITY * 255):02x}" if dim else colour


def _escaped(text: str) -> str:
    """Escape backslashes, because a backslash begins an escape sequence in Graphviz."""
    return text.replace("\\", "\\\\")
