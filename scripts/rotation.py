"""Generates the list in CONTRIBUTING.md of the tests that CI runs only on some of the commits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from scripts.markdown import table
from scripts.marked_tests import marked_tests

if TYPE_CHECKING:
    from pathlib import Path

PATH: Final = "CONTRIBUTING.md"
_SECTION: Final = re.compile(
    r"(<!-- made from the tests: rotation -->\n).*?(<!-- end -->)", re.DOTALL
)


def contributing_page(repository: Path) -> str:
    """Return CONTRIBUTING.md with the list of rotating tests updated from the tests' markers."""
    lines = [
        (f"[{test.module}]({test.module})", f"`{test.name}`")
        for test in marked_tests(repository)
        if test.rotates
    ]
    page = (repository / PATH).read_text(encoding="utf-8")
    return _SECTION.sub(lambda found: found[1] + table(("module", "test"), lines) + found[2], page)
