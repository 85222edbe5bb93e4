"""Draws where the time of a job went: its start-up, its whole course, or many start-ups.

`startup` is the model: bands, steps and the chain of them that decided when RUNNING was entered.
`Spread` takes many. The drawings are written by states/render, as SVG or PNG.
"""

from __future__ import annotations

from states.history import History
from states.journal import JournalError
from states.render import write_png, write_svg
from states.render.scene import Scene
from states.timeline.chart import Panel, scene
from states.timeline.interview import SPOKEN_CHARACTERS_S, interview_panel
from states.timeline.panels import closing_panel, startup_panel
from states.timeline.startup import TARGET_S, Link, Startup, startup

__all__ = ["TARGET_S", "Link", "Startup", "drawing", "png", "startup", "svg"]

_LEGEND = (
    "Blue: the chain of steps that decided when it ended, each from what it had waited for. "
    "Grey: all other steps. Red: what failed; a red tick is a spent budget."
)
_LEGEND_OF_WHOLE = (
    f" A turn ends where it was recorded, and is as long as its words ({SPOKEN_CHARACTERS_S:g} "
    "characters a second); a red tick on it: cut off."
)


def drawing(history: History, *, whole: bool = False) -> Scene:
    """The start-up of a job, and with `whole` all that came after it.

    Raises JournalError for a history in which nothing has happened.
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


def svg(history: History, *, whole: bool = False) -> str:
    """`drawing` as an SVG document for light and dark pages. Raises JournalError."""
    return write_svg.write(drawing(history, whole=whole))


def png(history: History, *, whole: bool = False) -> bytes:
    """`drawing` as a PNG. Raises JournalError and RenderUnavailable."""
    return write_png.write(drawing(history, whole=whole))
