"""Drawings of the lifecycle and of one job's path through it: Mermaid, DOT, SVG and PNG.

All drawings are generated from `EDGES` and `BUDGETS`. An event is solid; a spent budget is dashed,
with its seconds; a failure is red. With a `History`, the path of that job is drawn on top: its
states, numbered, with the time spent in each, and the edges that it took. The rest is dimmed.

The application defines the effect of losing a resource: `losses` maps resources to sentences, which
the legend shows. The drawing of a job shows only those of missing resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from states.history import History
from states.render import write_dot, write_mermaid, write_png, write_svg
from states.render.layout import layout
from states.render.view import view
from states.render.write_png import RenderUnavailable

__all__ = ["RenderUnavailable", "dot", "mermaid", "png", "svg"]


Losses = Mapping[str, str]
_NONE: Losses = MappingProxyType({})


def mermaid(history: History | None = None, *, losses: Losses = _NONE) -> str:
    """Return the lifecycle, or a job's path through it, as a Mermaid flowchart."""
    return write_mermaid.write(view(history, losses=losses))


def dot(history: History | None = None, *, losses: Losses = _NONE) -> str:
    """Return the lifecycle, or a job's path through it, in Graphviz's DOT language."""
    return write_dot.write(view(history, losses=losses))


def svg(history: History | None = None, *, losses: Losses = _NONE) -> str:
    """Return the lifecycle, or a job's path through it, as SVG for light and dark pages."""
    return write_svg.write(layout(view(history, losses=losses)))


def png(history: History | None = None, *, losses: Losses = _NONE) -> bytes:
    """Return the drawing of `svg` as a PNG of twice its size. Raises RenderUnavailable."""
    return write_png.write(layout(view(history, losses=losses)))
