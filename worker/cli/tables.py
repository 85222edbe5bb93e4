"""Tables that show untrusted text, such as room names, reasons and settings."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def add_row(table: Table, *cells: object) -> None:
    """Add a row of plain text: markup is not interpreted, control characters are replaced."""
    table.add_row(*(Text(printable(str(cell))) for cell in cells))


def printable(text: str) -> str:
    """Return `text` with each unprintable character replaced by U+FFFD."""
    return "".join(character if character.isprintable() else _UNPRINTABLE for character in text)
