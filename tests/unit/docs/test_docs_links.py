"""The links of the documents: each leads to a file and a heading, and each page is reached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.documents.markdown import documents, read
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.documents.markdown import Document, Link

DOCS = REPOSITORY / "docs"
INDEX = DOCS / "README.md"


def problem_of(document: Document, link: Link) -> str | None:
    """Return what is wrong with a relative link; None if it leads somewhere."""
    path, anchor = document.path_of(link), link.target.partition("#")[2]
    if not path.exists():
        return "there is no such file"
    if not path.is_relative_to(REPOSITORY):
        return "leads out of the repository"
    if not anchor or re.fullmatch(r"L\d+(-L\d+)?", anchor):
        return None
    if path.suffix != ".md":
        return f"#{anchor} is no line (#L10), and this is no document with headings"
    return None if anchor in read(path).anchors else f"there is no heading #{anchor}"


def pages_below(document: Document) -> list[Path]:
    """Return the pages of docs/ that the document links to."""
    paths = (document.path_of(link) for link in document.links if not link.is_external)
    return [path for path in paths if path.suffix == ".md" and path.is_relative_to(DOCS)]


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    broken = [
        f"{document.at(link.line)}: {link.target}: {problem}"
        for document in documents()
        for link in document.links
        if not link.is_external and (problem := problem_of(document, link))
    ]
    assert not broken, "\n".join(broken)


def test_every_page_is_reached_from_the_index() -> None:
    assert INDEX.exists(), "docs/README.md is the index of the pages"
    reached: set[Path] = set()
    waiting = [INDEX]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.exists():
            reached.add(page)
            waiting += pages_below(read(page))
    pages = [each for each in documents() if each.path.is_relative_to(DOCS)]
    unreached = [page.name for page in pages if page.path not in reached]
    assert not unreached, "not reached from docs/README.md: " + ", ".join(unreached)
