"""Style names, text wrapping and badges that several modules of the drawings use."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from states.render.scene import LINE_HEIGHT, Badge, Mark, Rect, Text
from states.render.view import Arrow, Box, Label

#: Maximum number of badges on the box of a state, one badge per visit. The number of further visits
#: is written beside the badges.
MOST_BADGES = 3
PADDING = 12.0


def arrow_css(arrow: Arrow) -> str:
    """Return the style name of an arrow.

    The style is red for an arrow that ends the job as failed, and dashed for a spent budget.
    """
    kind = "failure" if arrow.is_failure else "event"
    return ("way-" if arrow.taken else "") + kind + ("-timeout" if arrow.is_timeout else "")


def text_css(arrow: Arrow, label: Label) -> str:
    """Return the CSS class of the text of a label."""
    if label.led_to:
        return "way-red-text" if arrow.is_failure else "way-text"
    return "red-text" if arrow.is_failure else "text"


def row_names(label: Label) -> tuple[str, ...]:
    """Return the table rows that a label stands for: `HANDSHAKE room_connected CONNECTED`."""
    return tuple(f"{edge.source} {edge.event} {edge.target}" for edge in label.edges)


def word_wrapped(text: str, width: int) -> list[str]:
    """Wrap `text` into lines of at most `width` characters. A longer word is not broken."""
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


def badges(box: Box, rect: Rect) -> Iterator[Mark]:
    """Yield the badges with the numbers of the job's visits, on the upper edge of a state's box."""
    shown = box.visits[:MOST_BADGES]
    x = rect.x + PADDING
    for visit in shown:
        yield Badge(x=x, y=rect.y, text=str(visit.number))
        x += 24
    if len(box.visits) > len(shown):
        more = f"+{len(box.visits) - len(shown)}"
        yield Text(x=x - 8, y=rect.y - 4, text=more, css="way-text")


def stacked(lines: list[tuple[str, str]], x: float, y: float) -> Iterator[Mark]:
    """Yield lines of text, one below the other, each with its style.

    The baseline of the first line is at `y`.
    """
    for index, (text, css) in enumerate(lines):
        yield Text(x=x, y=y + index * LINE_HEIGHT, text=text, css=css)
