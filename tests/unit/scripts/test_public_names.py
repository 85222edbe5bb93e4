"""The reference of public names: signatures, docstrings, attributes and methods."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import pytest

from scripts.markdown import sections_in
from scripts.public_names import as_markdown, names_reference, sections
from scripts.reference_pages import MARKED, marked_pages, marked_sections
from scripts.source import NameNotFound
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PAGES: Final = marked_pages(REPOSITORY)

FACE: Final = """
from package.inner import Thing, start

__all__ = ["LIMIT", "Thing", "start"]

#: The most at once.
LIMIT: int = 3
"""

INNER: Final = '''
from dataclasses import dataclass, field

@dataclass(frozen=True)
class Thing:
    """A thing.

    Args:
        name: Its name,
            in words.
    """

    #: Seconds that it
    #: may take.
    budget_s: float = 2.0
    parts: list[str] = field(default_factory=list)
    _hidden: int = 0

    @property
    def size(self) -> int | None:
        """The size."""
        return None

    def __call__(self) -> None: ...

    def _inner(self) -> None: ...


class Plain:
    def __init__(self, name: str) -> None:
        #: The name as given.
        self.name = name
        self.other = name


async def start(
    *,
    within_s: float,
) -> None:
    """Start it."""
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A repository with one package."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(FACE)
    (tmp_path / "package" / "inner.py").write_text(INNER)
    return tmp_path


@pytest.mark.parametrize("path", PAGES)
def test_the_page_matches_the_source(path: str) -> None:
    page = (REPOSITORY / path).read_text(encoding="utf-8")
    assert page == PAGES[path], "run `make diagrams`"


def test_every_section_is_on_one_page() -> None:
    pages = [(REPOSITORY / path).read_text(encoding="utf-8") for path in MARKED]
    found = sorted(name for page in pages for name in sections_in(page))
    assert found == sorted(marked_sections(REPOSITORY))


@pytest.mark.parametrize("module", ["states", "states.testing", "worker.api"])
def test_all_shown_code_compiles(module: str) -> None:
    shown = re.findall(r"```python\n(.*?)\n```", names_reference(REPOSITORY, module), re.DOTALL)
    assert len(shown) > 15
    for code in shown:
        ast.parse(code)


def test_names_are_shown_in_the_order_of_the_module(package: Path) -> None:
    shown = names_reference(package, "package")
    assert re.findall(r"^### `(\w+)`$", shown, re.MULTILINE) == ["LIMIT", "Thing", "start"]


def test_a_constant_has_its_type_and_its_comment(package: Path) -> None:
    shown = sections(package, "package", ["LIMIT"])
    assert "In [package/__init__.py](../../package/__init__.py)." in shown
    assert "```python\nLIMIT: int\n```\n\nThe most at once.\n" in shown


def test_a_function_has_its_signature_as_it_is_written(package: Path) -> None:
    shown = sections(package, "package", ["start"])
    assert "async def start(\n    *,\n    within_s: float,\n) -> None: ...\n```" in shown
    assert shown.endswith("\n\nStart it.\n")


def test_a_class_has_its_public_fields_and_methods(package: Path) -> None:
    shown = sections(package, "package", ["Thing"])
    assert "```python\n@dataclass(frozen=True)\nclass Thing: ...\n```" in shown
    assert "| `budget_s: float = 2.0` | Seconds that it may take. |" in shown
    assert "| `parts: list[str]` |  |" in shown
    assert "#### `Thing.size`\n\n```python\n@property\ndef size(self) -> int | None: ..." in shown
    assert "def __call__(self) -> None: ..." in shown
    assert "hidden" not in shown
    assert "inner(" not in shown


def test_a_class_shows_its_constructor_and_what_it_sets(package: Path) -> None:
    shown = sections(package, "package.inner", ["Plain"])
    assert "class Plain:\n    def __init__(self, name: str) -> None: ...\n```" in shown
    assert "| `name` | The name as given. |" in shown
    assert "other" not in shown


def test_a_name_that_does_not_exist_is_reported(package: Path) -> None:
    with pytest.raises(NameNotFound, match=r"package/__init__\.py neither .* Nothing"):
        sections(package, "package", ["Nothing"])


def test_the_lists_of_a_docstring_become_markdown_lists() -> None:
    docstring = (
        "Read it.\n\nArgs:\n    path: The file,\n        or a folder.\n\n"
        "Raises:\n    OSError: it cannot be read.\n\nSee:\n\n    code()"
    )
    assert as_markdown(docstring) == (
        "Read it.\n\nArguments:\n\n- `path`: The file,\n  or a folder.\n\n"
        "Raises:\n\n- `OSError`: it cannot be read.\n\nSee:\n\n    code()"
    )
