"""Tables of untrusted text: room names, reasons, settings."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def add_row(table: Table, *cells: object) -> None:
    """Add a row as plain text: without markup and terminal control characters."""
    table.add_row(*(Text(printable(str(cell))) for cell in cells))


def printable(text: str) -> str:
    """Return the text with each unprintable character replaced."""
    return "".join(character if character.isprintable() else _UNPRINTABLE for character in text)
