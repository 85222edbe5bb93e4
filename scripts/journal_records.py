"""Generates the table of record kinds in docs/reference/journal.md.

The source is the docstring of states/journal.py, which lists the kinds and their fields.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from scripts.markdown import cell, table
from scripts.source import module_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KIND: Final = re.compile(r"(\w+) {2,}(\S.*)")
#: The packages that write records.
_PACKAGES: Final = ("states", "worker")


def record_kinds(repository: Path) -> dict[str, str]:
    """Return the fields of each kind of record, by kind, as the docstring describes them."""
    docstring = ast.get_docstring(module_of(repository, "states.journal").tree) or ""
    kinds: dict[str, str] = {}
    for line in docstring.splitlines():
        if found := _KIND.fullmatch(line):
            kinds[found[1]] = found[2]
        elif kinds and line.startswith(" "):
            kinds[next(reversed(kinds))] += f" {line.strip()}"
    return kinds


def records_table(repository: Path) -> str:
    """Return the table of record kinds."""
    rows = ((f"`{kind}`", cell(fields)) for kind, fields in record_kinds(repository).items())
    return table(("kind", "fields and meaning"), rows)


def written_kinds(repository: Path) -> set[str]:
    """Return the kinds of record that the code writes.

    A record is written by a call such as `journal.append("step", t, name="connect")`. Only such a
    call of `append` has a text and a second argument.
    """
    texts = (
        path.read_text(encoding="utf-8")
        for package in _PACKAGES
        for path in (repository / package).rglob("*.py")
    )
    return {kind for text in texts if ".append" in text for kind in _appended(ast.parse(text))}


def _appended(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="append"), args=[ast.Constant(value=str(kind)), _, *_]
            ):
                yield kind
