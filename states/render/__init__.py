"""Draws the lifecycle, and one job's way through it: Mermaid, DOT, SVG and PNG.

Everything is made from `EDGES` and `BUDGETS`: an event is solid, a spent budget dashed with its
seconds, a failure red. With a `History` the way of that job is drawn over it: the states it was
in, numbered, with the time it spent in each, and the edges it took; the rest is dimmed.

`python -m states.render diagrams` writes the drawings of this repository.
"""

from __future__ import annotations

from collections.abc import Mapping

from states.history import History
from states.render import write_dot, write_mermaid, write_png, write_svg
from states.render.layout import layout
from states.render.view import view
from states.render.write_png import RenderUnavailable

__all__ = ["RenderUnavailable", "dot", "drawings", "mermaid", "png", "svg"]


def mermaid(history: History | None = None) -> str:
    """The lifecycle, or a job's way through it, as a Mermaid flowchart."""
    return write_mermaid.write(view(history))


def dot(history: History | None = None) -> str:
    """The lifecycle, or a job's way through it, in Graphviz's DOT language."""
    return write_dot.write(view(history))


def svg(history: History | None = None) -> str:
    """The lifecycle, or a job's way through it, as an SVG document for light and dark pages."""
    return write_svg.write(layout(view(history)))


def png(history: History | None = None) -> bytes:
    """What `svg` shows, as a PNG of twice its size. Raises RenderUnavailable."""
    return write_png.write(layout(view(history)))


def drawings() -> Mapping[str, str]:
    """The files of diagrams/ by name: the table in three formats, and three example jobs.

    Raises ModuleNotFoundError without the `testing` extra, on whose virtual time the jobs run.
    """
    from states import examples

    return {
        "lifecycle.mmd": mermaid(),
        "lifecycle.dot": dot(),
        "lifecycle.svg": svg(),
        "healthy.svg": svg(examples.healthy()),
        "degraded.svg": svg(examples.degraded()),
        "failed.svg": svg(examples.failed()),
    }
