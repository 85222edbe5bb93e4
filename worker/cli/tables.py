"""Tables and lines that show untrusted text, such as room names, reasons and transcripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.cli.control_characters import ACTING

_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
#: Characters that may move a terminal's cursor, change its colours or the direction of text.
_CONTROL = re.compile(rf"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f{ACTING}]")
#: Maximum number of rows that `print_list` wraps to the width of the terminal. rich needs 1.3 ms of
#: processor time for each interview in a list (measured): 6 s for 5,000 interviews.
_WRAPPED_ROWS = 200


def print_list(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a list of any length under the heads of its columns. None is shown as an empty cell.

    A list of at most 200 rows (`_WRAPPED_ROWS`) is wrapped to the width of the terminal. In a
    longer list, each row is one line of any width.
    """
    texts = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    console = Console()
    if len(texts) <= _WRAPPED_ROWS:
        table = Table(*heads, box=None)
        for row in texts:
            add_row(table, *row)
        console.print(table)
        return
    widths = [max(map(cell_len, column)) for column in zip(heads, *texts, strict=True)]
    lines = (_line(row, widths) for row in texts)
    console.print(Text(_line(heads, widths), style="table.header"), soft_wrap=True)
    console.out("\n".join(lines), highlight=False)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Return a row as one line, with the spacing that rich uses in a table without a box."""
    cells = zip(row, widths, strict=True)
    return "".join(f" {cell}{' ' * (width - cell_len(cell))} " for cell, width in cells)


def add_row(table: Table, *cells: object, style: str = "") -> None:
    """Add a row of plain text: markup is not interpreted, control characters are replaced."""
    table.add_row(*(Text(printable(str(cell))) for cell in cells), style=style or None)


def printable(text: str) -> str:
    """Return `text` with each unprintable character replaced by U+FFFD."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _UNPRINTABLE for character in text)


def without_controls(text: str) -> str:
    """Return text of several lines with each control character replaced by U+FFFD.

    Line breaks and tabs stay. Line separators and characters that change the direction of text are
    replaced, too. Unlike `printable`, this function keeps characters such as the zero-width joiner,
    because the words of some languages need them.
    """
    return _CONTROL.sub(_UNPRINTABLE, text)
