"""The pages of docs/reference/ that are made from more than the worker's code.

`python -m scripts.reference_pages` brings all of them up to date; `make diagrams` runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.licences.page import PATH as LICENCES
from scripts.licences.page import licences_page
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def pages(repository: Path) -> dict[str, str]:
    """Return the text of each page, by its path in the repository."""
    return {LICENCES: licences_page(repository)}


if __name__ == "__main__":
    for name, text in pages(REPOSITORY).items():
        (REPOSITORY / name).parent.mkdir(parents=True, exist_ok=True)
        (REPOSITORY / name).write_text(text, encoding="utf-8", newline="\n")
