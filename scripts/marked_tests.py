"""Reads the markers of the tests: the requirements that a test covers, and how often CI runs it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: The command that runs a test, by the folder of the test below tests/.
_COMMANDS: Final = {
    "unit": "`make unit`",
    "scenarios": "`make test`",
    "compat": "`make test`",
    "integration": "`make test`",
    "e2e": "`make e2e`",
}
#: Modules of tests/e2e that `make test` runs too (see the Makefile).
_IN_MAKE_TEST: Final = ("tests/e2e/test_interview.py",)


@dataclass(frozen=True, kw_only=True)
class MarkedTest:
    """A test function and its markers."""

    name: str
    #: The path of the module in the repository, for example tests/unit/states/test_table.py.
    module: str
    #: The rows of the requirements that the test covers, from `@pytest.mark.row("S1", "S3")`.
    rows: tuple[str, ...]
    #: True if CI runs the test only on one commit of six.
    rotates: bool = False
    #: The xdist group that the test shares with other tests, from
    #: `@pytest.mark.xdist_group("impatient")`.
    group: str | None = None

    @property
    def runs_in(self) -> str:
        """The smallest command that runs the test, as Markdown."""
        if self.module in _IN_MAKE_TEST:
            return "`make test`"
        command = _COMMANDS[self.module.split("/")[1]]
        return f"{command}, rotates" if self.rotates else command


@cache
def marked_tests(repository: Path) -> tuple[MarkedTest, ...]:
    """Return every test function below tests/, sorted by module and name. Reads them once."""
    found: list[MarkedTest] = []
    for path in sorted((repository / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = path.relative_to(repository).as_posix()
        of_module = list(_marks(_pytestmark(tree)))
        found += sorted(_tests(tree, module, of_module), key=lambda test: test.name)
    return tuple(found)


def _tests(
    tree: ast.Module, module: str, of_module: Sequence[tuple[str, tuple[str, ...]]]
) -> Iterator[MarkedTest]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not node.name.startswith("test_"):
            continue
        marks = [*of_module, *_marks(node.decorator_list)]
        groups = [words[0] for name, words in marks if name == "xdist_group"]
        yield MarkedTest(
            name=node.name,
            module=module,
            rows=tuple(row for name, rows in marks if name == "row" for row in rows),
            rotates=any(name == "rotates" for name, _ in marks),
            group=groups[-1] if groups else None,
        )


def _pytestmark(tree: ast.Module) -> list[ast.expr]:
    """Return the value that a module assigns to `pytestmark`, as a list of markers."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            return node.value.elts if isinstance(node.value, ast.List) else [node.value]
    return []


def _marks(expressions: Sequence[ast.expr]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the arguments of each marker."""
    for each in expressions:
        call = each if isinstance(each, ast.Call) else None
        prefix, _, name = ast.unparse(call.func if call else each).rpartition(".")
        if prefix == "pytest.mark":
            constants = [
                word for word in (call.args if call else []) if isinstance(word, ast.Constant)
            ]
            yield name, tuple(str(constant.value) for constant in constants)
