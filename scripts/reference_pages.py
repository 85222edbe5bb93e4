"""Generates docs/reference/ and the test list in CONTRIBUTING.md.

The sources are the log calls, the tests and the installed packages. `make diagrams` runs
`python -m scripts.reference_pages` too, which updates all pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts import log_events, rotation, rows
from scripts.licences import page as licences
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def pages(repository: Path) -> dict[str, str]:
    """Return the text of each page, by the path of the page in the repository."""
    return {
        licences.PATH: licences.licences_page(repository),
        log_events.PATH: log_events.log_events_page(repository),
        rows.PATH: rows.rows_page(repository),
        rotation.PATH: rotation.contributing_page(repository),
    }


if __name__ == "__main__":
    for name, text in pages(REPOSITORY).items():
        (REPOSITORY / name).parent.mkdir(parents=True, exist_ok=True)
        (REPOSITORY / name).write_text(text, encoding="utf-8", newline="\n")
