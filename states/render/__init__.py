"""Draws the lifecycle, and one job's way through it: Mermaid, DOT, SVG and PNG.

Everything is made from `EDGES` and `BUDGETS`: an event is solid, a spent budget dashed with its
seconds, a failure red. With a `History` the way of that job is drawn over it: the states it was
in, numbered, with the time it spent in each, and the edges it took; the rest is dimmed.

What the loss of a resource means is the application's to say: `losses`, by resource, a sentence
each, stand in the legend. In a job's drawing only those of what was missing do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from states.history import History
from states.render import write_dot, write_mermaid, write_png, write_svg
from states.render.layout import layout
from states.render.view import view
from states.render.write_png import RenderUnavailable

__all__ = ["RenderUnavailable", "dot", "drawings", "mermaid", "png", "svg"]


Losses = Mapping[str, str]
_NONE: Losses = MappingProxyType({})


def mermaid(history: History | None = None, *, losses: Losses = _NONE) -> str:
    """The lifecycle, or a job's way through it, as a Mermaid flowchart."""
    return write_mermaid.write(view(history, losses=losses))


def dot(history: History | None = None, *, losses: Losses = _NONE) -> str:
    """The lifecycle, or a job's way through it, in Graphviz's DOT language."""
    return write_dot.write(view(history, losses=losses))


def svg(history: History | None = None, *, losses: Losses = _NONE) -> str:
    """The lifecycle, or a job's way through it, as an SVG document for light and dark pages."""
    return write_svg.write(layout(view(history, losses=losses)))


def png(history: History | None = None, *, losses: Losses = _NONE) -> bytes:
    """What `svg` shows, as a PNG of twice its size. Raises RenderUnavailable."""
    return write_png.write(layout(view(history, losses=losses)))


def drawings(losses: Losses = _NONE) -> Mapping[str, str]:
    """The files of diagrams/ by name: the table in three formats, and what example jobs did.

    Raises ModuleNotFoundError without the `testing` extra, on whose virtual time the jobs run.
    """
    from states import examples, timeline

    return {
        "lifecycle.mmd": mermaid(losses=losses),
        "lifecycle.dot": dot(losses=losses),
        "lifecycle.svg": svg(losses=losses),
        "healthy.svg": svg(examples.healthy(), losses=losses),
        "degraded.svg": svg(examples.degraded(), losses=losses),
        "failed.svg": svg(examples.failed(), losses=losses),
        "startup.svg": timeline.svg(timeline.drawing(examples.healthy())),
        "interview.svg": timeline.svg(timeline.drawing(examples.degraded(), whole=True)),
    }
