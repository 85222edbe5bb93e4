"""Tables of what may be anybody's words: a room's name, a reason, a setting."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def add_row(table: Table, *cells: object) -> None:
    """Add a row as plain text: nothing in it is markup, nor a terminal's control."""
    table.add_row(*(Text(printable(str(cell))) for cell in cells))


def printable(text: str) -> str:
    """The text without what a terminal would take for a command."""
    return "".join(character if character.isprintable() else _UNPRINTABLE for character in text)
