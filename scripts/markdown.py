"""Formats Markdown that is generated from the code, and writes generated files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

_SECTION: Final = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(text: str) -> str:
    """Return any text on one line, with `|` escaped, so that it fits into a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def filled(page: str, sections: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with the text of every marked section replaced.

    A section stands between `<!-- made from the code: NAME -->` and `<!-- end -->`; `sections` has
    the function that returns its text, by name. Raises KeyError if the page names a section that is
    not in `sections`.
    """
    return _SECTION.sub(lambda found: f"{found[1]}{sections[found[2]]()}{found[3]}", page)


def sections_in(page: str) -> list[str]:
    """Return the names of the marked sections of a page, in order."""
    return [found[2] for found in _SECTION.finditer(page)]


def write_files(repository: Path, files: Mapping[str, str]) -> None:
    """Write generated files, given by their paths in the repository. Creates missing folders."""
    for name, text in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8", newline="\n")
