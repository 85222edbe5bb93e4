"""Timelines: the start-up of one job, a whole job, or statistics of many start-ups.

`startup` extracts a start-up from a history: the visits to states, the steps, and the critical
chain, which is the sequence of steps that determined when the job entered RUNNING. `Spread`
aggregates many start-ups. states/render writes the drawings as SVG or PNG.
"""

from __future__ import annotations

from states.history import History
from states.journal import JournalError
from states.render import write_png, write_svg
from states.render.scene import Scene
from states.timeline.chart import Panel, scene
from states.timeline.interview import SPOKEN_CHARACTERS_S, interview_panel
from states.timeline.panels import closing_panel, startup_panel
from states.timeline.spread import Spread, spread_panel
from states.timeline.startup import TARGET_S, Link, Startup, startup

__all__ = [
    "TARGET_S",
    "Link",
    "Spread",
    "Startup",
    "drawing",
    "png",
    "spread_drawing",
    "startup",
    "svg",
]

_LEGEND = (
    "Blue: the critical steps, each linked to the step that it waited for. "
    "Grey: other steps. Red: failed. A red tick: the end of a budget."
)
_LEGEND_OF_WHOLE = (
    " A turn ends at its record; its length is estimated from its words "
    f"({SPOKEN_CHARACTERS_S:g} characters a second). A red tick on a turn: interrupted."
)
_LEGEND_OF_SPREAD = (
    "Line: from the shortest to the longest. Bar: from the median to the 95th percentile. "
    "The steps are sorted by their total cost; the slowest is blue."
)


def drawing(history: History, *, whole: bool = False) -> Scene:
    """Return the timeline of a job's start-up; with `whole`, also of the interview and closing.

    Raises JournalError if the history has no transition.
    """
    if not history.transitions:
        raise JournalError("the journal is empty: there is nothing to draw")
    panels: list[Panel] = [startup_panel(history)]
    if whole:
        panels += [interview_panel(history)]
        panels += [panel] if (panel := closing_panel(history)) else []
    first = panels[0]
    return scene(
        tuple(panels),
        title=first.title,
        description=" ".join(text for text, _ in first.words),
        legend=_LEGEND + (_LEGEND_OF_WHOLE if whole else ""),
    )


def spread_drawing(spread: Spread, *, note: str = "") -> Scene:
    """Return a drawing of the statistics of many start-ups.

    `note` is a sentence to add to the drawing.

    Raises ValueError if `spread` contains no start-up.
    """
    panel = spread_panel(spread, note=note)
    return scene(
        (panel,),
        title=panel.title,
        description=" ".join(text for text, _ in panel.words),
        legend=_LEGEND_OF_SPREAD,
    )


def svg(drawn: Scene) -> str:
    """Return a drawing as an SVG document for light and dark pages."""
    return write_svg.write(drawn)


def png(drawn: Scene) -> bytes:
    """Return a drawing as a PNG. Raises RenderUnavailable if resvg-py cannot be imported."""
    return write_png.write(drawn)
