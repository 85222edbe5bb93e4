"""Generates pages of docs/reference/ and the test list in CONTRIBUTING.md, from the source text.

The sources are the docstrings, the log calls, the tests and the installed packages. `make diagrams`
runs `python -m scripts.reference_pages` too, which updates all pages. Nothing of the worker is
imported.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from scripts import log_events, rotation, rows
from scripts.journal_records import records_table
from scripts.licences import page as licences
from scripts.markdown import filled, write_files
from scripts.public_names import names_reference, sections
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: The pages with marked sections. The text around the sections is written by hand.
MARKED: Final = (
    "docs/reference/journal.md",
    "docs/reference/states.md",
    "docs/reference/worker-api.md",
)
#: The protocols in `states.pytest_plugin` that describe the fixtures of the pytest plugin.
_FIXTURES: Final = ("Journey", "StartLifecycle")


def marked_sections(repository: Path) -> Mapping[str, Callable[[], str]]:
    """Return the functions that return the text of the marked sections, by name."""
    return {
        "fixtures": partial(sections, repository, "states.pytest_plugin", _FIXTURES),
        "journal_records": partial(records_table, repository),
        "states": partial(names_reference, repository, "states"),
        "states_testing": partial(names_reference, repository, "states.testing"),
        "worker_api": partial(names_reference, repository, "worker.api"),
    }


def marked_pages(repository: Path) -> dict[str, str]:
    """Return the text of each page with marked sections, by its path in the repository."""
    made = marked_sections(repository)
    return {name: filled((repository / name).read_text(encoding="utf-8"), made) for name in MARKED}


def pages(repository: Path) -> dict[str, str]:
    """Return the text of each page, by the path of the page in the repository."""
    return {
        licences.PATH: licences.licences_page(repository),
        log_events.PATH: log_events.log_events_page(repository),
        rows.PATH: rows.rows_page(repository),
        rotation.PATH: rotation.contributing_page(repository),
        **marked_pages(repository),
    }


if __name__ == "__main__":
    write_files(REPOSITORY, pages(REPOSITORY))
