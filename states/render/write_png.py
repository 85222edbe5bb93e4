"""Writes a scene as PNG: the SVG of the scene, painted by resvg (https://github.com/linebender/resvg).

The letters come from a font in the package, so that the text of a PNG is the same on every computer
and needs no font of the system. The system's fonts are used only for characters that the font of
the package does not have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from states.render import write_svg
from states.render.scene import Scene

#: Pixels of the PNG per pixel of the SVG, so that the picture is sharp on a high-density screen.
ZOOM: Final = 2.0
_FONT_FOLDER: Final = Path(__file__).with_name("fonts")
_FONT: Final = "'DejaVu Sans Condensed'"


class RenderUnavailable(Exception):
    """Raised if the format needs resvg-py, but resvg-py cannot be imported."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(f"{wanted} needs resvg-py: pip install 'interview-lifecycle[png]'")


def write(scene: Scene) -> bytes:
    """Return the scene as a PNG in light colours.

    Raises RenderUnavailable if resvg-py cannot be imported.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise RenderUnavailable("a PNG") from error
    svg = write_svg.write(scene, fonts=_FONT)
    return resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM, font_dirs=[str(_FONT_FOLDER)])
