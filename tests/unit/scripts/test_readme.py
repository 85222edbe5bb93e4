"""The agreement of the README with the code."""

from __future__ import annotations

import re

import pytest

from scripts import readme
from tests.support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_tables_match_the_code() -> None:
    assert readme.up_to_date(README) == README, "run `make diagrams`"


@pytest.mark.row("B12", "B13")
@pytest.mark.parametrize("path", readme.drawn())
def test_every_generated_file_matches_the_code(path: str) -> None:
    made = (REPOSITORY / path).read_text(encoding="utf-8")
    assert made == readme.drawn()[path], "run `make diagrams`"


def test_every_table_is_in_the_readme() -> None:
    assert set(re.findall(r"made from the code: (\w+)", README)) == set(readme.TABLES)


@pytest.mark.row("C9")
@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./]+)\)", README))))
def test_every_linked_file_exists(link: str) -> None:
    assert (REPOSITORY / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z0-9]+)`", README))))
def test_every_named_make_target_exists(target: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")

    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
