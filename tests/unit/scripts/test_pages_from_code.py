"""The agreement of the generated files with the code."""

from __future__ import annotations

from typing import Final

import pytest

from scripts.markdown import sections_in
from scripts.pages_from_code import MARKED, SECTIONS, generated
from tests.support.paths import REPOSITORY

GENERATED: Final = generated(REPOSITORY)


@pytest.mark.row("B12", "B13")
@pytest.mark.parametrize("path", GENERATED)
def test_every_generated_file_matches_the_code(path: str) -> None:
    made = (REPOSITORY / path).read_text(encoding="utf-8")
    assert made == GENERATED[path], "run `make diagrams`"


def test_every_section_is_on_one_page() -> None:
    pages = [(REPOSITORY / path).read_text(encoding="utf-8") for path in MARKED]
    assert sorted(name for page in pages for name in sections_in(page)) == sorted(SECTIONS)
