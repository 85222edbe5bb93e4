"""Writes a scene as SVG without scripts, external fonts or images, for light and dark pages.

The drawing has its own background, so the text stays readable even on a dark page in a browser that
requests light colours.
"""

from __future__ import annotations

import math
from html import escape

from states.render.scene import (
    DIM_OPACITY,
    PALETTES,
    Badge,
    Line,
    Look,
    Mark,
    Part,
    Rect,
    Scene,
    Text,
)
from states.render.words import drawable

FONTS = "-apple-system, 'Segoe UI', Helvetica, Arial, 'Liberation Sans', sans-serif"


def write(scene: Scene, *, fonts: str = FONTS) -> str:
    """Return the scene as an SVG document. The output is byte-identical on every computer.

    `fonts` is the value of the CSS property `font-family`.
    """
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(scene.width)}"'
        f' height="{_n(scene.height)}" viewBox="0 0 {_n(scene.width)} {_n(scene.height)}"'
        ' role="img" aria-labelledby="title description">',
        f'<title id="title">{_escaped(scene.title)}</title>',
        f'<desc id="description">{_escaped(scene.description)}</desc>',
        "<style>",
        f"text {{ font-family: {fonts}; }}",
        f".dim {{ opacity: {DIM_OPACITY}; }}",
        *(_rule(css, look) for css, look in PALETTES["light"].items()),
        "@media (prefers-color-scheme: dark) {",
        *(_rule(css, look, colours_only=True) for css, look in PALETTES["dark"].items()),
        "}",
        "</style>",
        *(_part(part) for part in scene.parts),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Return a text for the document, without characters that XML forbids."""
    return escape(drawable(text))


def head_of(line: Line, width: float) -> tuple[tuple[float, float], ...]:
    """Return the three corners of an arrow's head, beginning with the tip."""
    (x0, y0), (x1, y1) = line.start, line.end
    angle = math.atan2(y1 - y0, x1 - x0)
    long, half = 7 + width, 2.6 + width * 0.8
    back_x, back_y = x1 - long * math.cos(angle), y1 - long * math.sin(angle)
    return (
        (x1, y1),
        (back_x - half * math.sin(angle), back_y + half * math.cos(angle)),
        (back_x + half * math.sin(angle), back_y - half * math.cos(angle)),
    )


def _rule(css: str, look: Look, *, colours_only: bool = False) -> str:
    """Return the CSS rule of a style.

    Text and the heads of arrows are filled; lines and outlines are stroked.
    """
    says = [f"fill: {look.fill or 'none'}", f"stroke: {look.stroke or 'none'}"]
    rules = ""
    if look.stroke and look.fill is None:
        rules = f" .{css}.head {{ fill: {look.stroke}; stroke: none; }}"
    if not colours_only:
        if look.stroke:
            says.append(f"stroke-width: {_n(look.width)}")
        else:
            says.append(f"font-size: {_n(look.size)}px")
        if look.dashed:
            says.append("stroke-dasharray: 6 4")
        if look.bold:
            says.append("font-weight: 600")
    return f".{css} {{ {'; '.join(says)}; }}{rules}"


def _part(part: Part) -> str:
    css = ' class="dim"' if part.dim else ""
    rows = f' data-rows="{_escaped("; ".join(part.rows))}"' if part.rows else ""
    return "\n".join([f"<g{css}{rows}>", *(_mark(mark) for mark in part.marks), "</g>"])


def _mark(mark: Mark) -> str:
    match mark:
        case Rect():
            return (
                f'<rect class="{mark.css}" x="{_n(mark.x)}" y="{_n(mark.y)}"'
                f' width="{_n(mark.width)}" height="{_n(mark.height)}" rx="{_n(mark.radius)}"/>'
            )
        case Line():
            return _line(mark)
        case Badge():
            return (
                f'<circle class="badge" cx="{_n(mark.x)}" cy="{_n(mark.y)}" r="10"/>'
                f'<text class="badge-text" x="{_n(mark.x)}" y="{_n(mark.y + 4)}"'
                f' text-anchor="middle">{_escaped(mark.text)}</text>'
            )
        case Text():
            anchor = f' text-anchor="{mark.anchor}"' if mark.anchor != "start" else ""
            return (
                f'<text class="{mark.css}" x="{_n(mark.x)}" y="{_n(mark.y)}"{anchor}>'
                f"{_escaped(mark.text)}</text>"
            )


def _line(line: Line) -> str:
    (x0, y0), (x1, y1) = line.start, line.end
    if not line.head:
        return f'<path class="{line.css}" d="M{_n(x0)},{_n(y0)} L{_n(x1)},{_n(y1)}"/>'
    corners = head_of(line, PALETTES["light"][line.css].width)
    # The line ends inside the arrow's head, because a longer line would cover the tip.
    back_x = (corners[1][0] + corners[2][0]) / 2
    back_y = (corners[1][1] + corners[2][1]) / 2
    points = " ".join(f"{_n(x)},{_n(y)}" for x, y in corners)
    return (
        f'<path class="{line.css}" d="M{_n(x0)},{_n(y0)} L{_n(back_x)},{_n(back_y)}"/>'
        f'<polygon class="{line.css} head" points="{points}"/>'
    )


def _n(value: float) -> str:
    """Format `value` with at most two decimals, which hides rounding differences of processors."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
