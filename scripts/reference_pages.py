"""Generates docs/reference/ and the test list in CONTRIBUTING.md.

The sources are the tests and the installed packages. `python -m scripts.reference_pages` updates
all pages; `make diagrams` runs this command too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts import rotation, rows
from scripts.licences import page as licences
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def pages(repository: Path) -> dict[str, str]:
    """Return the text of each page, by the path of the page in the repository."""
    return {
        licences.PATH: licences.licences_page(repository),
        rows.PATH: rows.rows_page(repository),
        rotation.PATH: rotation.contributing_page(repository),
    }


if __name__ == "__main__":
    for name, text in pages(REPOSITORY).items():
        (REPOSITORY / name).parent.mkdir(parents=True, exist_ok=True)
        (REPOSITORY / name).write_text(text, encoding="utf-8", newline="\n")
