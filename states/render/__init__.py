"""Drawings of the lifecycle and of one job's path through it: Mermaid, DOT, SVG and PNG.

All drawings are generated from `EDGES` and `BUDGETS`. The arrow of an event is solid. The arrow of
a spent budget is dashed, and its label has the budget in seconds. The arrow of a failure is red.
With a `History`, the drawing highlights the path of that job: the visited states, with numbers and
the time spent in each state, and the edges that the job took. Other states and edges are dimmed.

The application defines what the loss of a resource means. `losses` maps the name of a resource to a
sentence about its loss, and the legend shows these sentences. The drawing of a job shows only the
sentences about resources that the job missed.
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
    """Return the same drawing as `svg`, as a PNG of twice the size.

    Raises RenderUnavailable if resvg-py cannot be imported.
    """
    return write_png.write(layout(view(history, losses=losses)))
