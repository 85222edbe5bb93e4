"""Markdown that is generated into pages with text written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.markdown import cell, filled, sections_in, write_files

PAGE = """# Page

<!-- made from the code: one -->
old
<!-- end -->

By hand.

<!-- made from the code: two -->
<!-- end -->
"""


def test_only_the_marked_sections_are_replaced() -> None:
    made = filled(PAGE, {"one": lambda: "new\n", "two": lambda: "also new\n"})
    assert made == PAGE.replace("old", "new").replace(
        "two -->\n<!-- end", "two -->\nalso new\n<!-- end"
    )


def test_a_filled_page_stays_the_same() -> None:
    made = filled(PAGE, {"one": lambda: "new\n", "two": lambda: ""})
    assert filled(made, {"one": lambda: "new\n", "two": lambda: ""}) == made


def test_a_section_that_nothing_makes_is_refused() -> None:
    with pytest.raises(KeyError, match="two"):
        filled(PAGE, {"one": lambda: "new\n"})


def test_the_sections_of_a_page_are_listed_in_order() -> None:
    assert sections_in(PAGE) == ["one", "two"]


def test_any_text_fits_into_a_cell() -> None:
    assert cell("one | two\n  three") == "one \\| two three"


def test_files_are_written_into_new_folders(tmp_path: Path) -> None:
    write_files(tmp_path, {"docs/new/page.md": "# Page\n"})
    assert (tmp_path / "docs/new/page.md").read_text(encoding="utf-8") == "# Page\n"
