"""The page of required behaviours: each row has a test, and the page names the tests."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from scripts.marked_tests import MarkedTest, marked_tests
from scripts.rotation import PATH as CONTRIBUTING
from scripts.rotation import contributing_page
from scripts.rows import PATH, ROWS, rows_page, shown_by
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
import pytest

pytestmark = [pytest.mark.timeout(9), pytest.mark.row("S1")]

@pytest.mark.row("S2", "C1")
@pytest.mark.rotates
@pytest.mark.xdist_group("one")
async def test_one() -> None: ...

@pytest.mark.parametrize("n", [1])
def test_two(n: int) -> None: ...

def helper() -> None: ...
"""


@cache
def shown() -> dict[str, list[MarkedTest]]:
    """Return the tests that cover each row."""
    return shown_by(marked_tests(REPOSITORY))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_shown_by_a_test_that_runs_on_every_commit(row: str) -> None:
    assert any(not test.rotates for test in shown()[row]), f"no test is marked row({row!r})"


def test_a_test_shows_no_row_that_does_not_exist() -> None:
    assert [row for row in shown() if row not in ROWS] == []


def test_the_page_matches_the_markers() -> None:
    page = (REPOSITORY / PATH).read_text(encoding="utf-8")
    assert page == rows_page(REPOSITORY), "run `make diagrams`"


def test_the_list_of_rotating_tests_matches_the_markers() -> None:
    page = (REPOSITORY / CONTRIBUTING).read_text(encoding="utf-8")
    assert page == contributing_page(REPOSITORY), "run `make diagrams`"


def test_markers_are_read_from_a_module_and_from_its_tests(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "e2e"
    folder.mkdir(parents=True)
    (folder / "test_markers.py").write_text(MODULE)

    one, two = marked_tests(tmp_path)

    module = "tests/e2e/test_markers.py"
    assert one == MarkedTest(
        name="test_one", module=module, rows=("S1", "S2", "C1"), rotates=True, group="one"
    )
    assert two == MarkedTest(name="test_two", module=module, rows=("S1",))
    assert (one.runs_in, two.runs_in) == ("`make e2e`, rotates", "`make e2e`")
