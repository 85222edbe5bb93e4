"""The layout of the tests: each test module is placed and named by the code that it tests."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.conftest import CATEGORIES
from tests.support.paths import REPOSITORY

TESTS: Final = REPOSITORY / "tests"
UNIT: Final = TESTS / "unit"
MODULES: Final = sorted(path for path in TESTS.rglob("*.py") if "__pycache__" not in path.parts)
#: Modules that a short import would refer to.
HELPERS: Final = {path.stem for path in MODULES} - {"__init__", "__main__"}
#: An import up to its first name; ruff puts each of several imports on its own line.
AN_IMPORT: Final = re.compile(r"^\s*(?:from|import)\s+([\w.]+)", re.MULTILINE)
#: Test modules about the whole repository instead of one module.
OF_ALL: Final = (Path(__file__), UNIT / "test_project.py")


def shown(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def code_of(folder: Path) -> Path:
    """Return the folder that a folder of tests/unit mirrors: of the repository or of tests/."""
    below = folder.relative_to(UNIT)
    return REPOSITORY / below if (REPOSITORY / below).is_dir() else TESTS / below


def names_in(code: Path) -> set[str]:
    """Return the names that test modules may be named after: modules, packages, and the folder."""
    found = {path.stem for path in code.glob("*.py")} - {"__init__"}
    found |= {path.name for path in code.iterdir() if (path / "__init__.py").exists()}
    return {name.lstrip("_") for name in found} - {"main__"} | {code.name}


def is_named_after(test: Path, name: str) -> bool:
    subject = test.stem.removeprefix("test_")
    return subject == name or subject.startswith(f"{name}_")


def elsewhere(test: Path) -> list[str]:
    """Return possible places of a test module that matches no module of its folder."""
    folders = {path.parent for path in MODULES if path.is_relative_to(UNIT)} - {UNIT}
    return [
        shown(folder / test.name)
        for folder in sorted(folders)
        if code_of(folder).is_dir()
        and any(is_named_after(test, name) for name in names_in(code_of(folder)))
    ]


def misplaced(test: Path) -> str | None:
    """Return an error for a misplaced test module of tests/unit, with its proper place."""
    code = code_of(test.parent)
    if not code.is_dir():
        folder = test.parent.relative_to(UNIT)
        return f"{shown(test)}: there is no {folder}: {' or '.join(elsewhere(test))}"
    if any(is_named_after(test, name) for name in names_in(code)):
        return None
    places = [*elsewhere(test), f"{shown(test.parent)}/test_<module of {shown(code)}>[_<topic>].py"]
    return f"{shown(test)} is named after no module of {shown(code)}: {' or '.join(places)}"


def imported_by(tree: ast.Module) -> Iterator[str]:
    """Yield the imported modules as written; a relative import begins with dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@cache
def is_short(source: str) -> bool:
    """Return whether an import finds a helper only by its folder or by the order of sys.path."""
    top = source.partition(".")[0]
    if top not in HELPERS:
        return source.startswith(".")
    found = importlib.util.find_spec(top)
    return found is None or Path(found.origin or TESTS).is_relative_to(TESTS)


def faults_of(module: Path) -> list[str]:
    """Return the forbidden ways in which a module imports its helpers."""
    text = module.read_text(encoding="utf-8")
    # Parse only files that may have a fault: this check covers every test file.
    if not ("sys.path" in text or any(map(is_short, AN_IMPORT.findall(text)))):
        return []
    tree = ast.parse(text)
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    changes = any(ast.unparse(node) == "sys.path" for node in attributes)
    return [
        *(f"{shown(module)}: imports {name}" for name in imported_by(tree) if is_short(name)),
        *([f"{shown(module)}: sys.path"] if changes else []),
    ]


def test_each_unit_test_has_the_folder_and_name_of_its_module() -> None:
    tests = [path for path in MODULES if path.is_relative_to(UNIT) and path not in OF_ALL]
    wrong = [misplaced(path) for path in tests if path.name.startswith("test_")]
    assert [each for each in wrong if each] == []


def test_each_folder_of_tests_is_a_category() -> None:
    folders = {p.relative_to(TESTS).parts[0] for p in MODULES if p.name.startswith("test_")}
    unknown = folders - CATEGORIES.keys()
    assert unknown == set(), f"tests belong in tests/{{{','.join(CATEGORIES)}}}"


def test_each_folder_is_a_package() -> None:
    missing = {
        shown(folder / "__init__.py")
        for path in MODULES
        for folder in (path.parent, *path.parent.parents)
        if folder.is_relative_to(TESTS) and not (folder / "__init__.py").exists()
    }
    assert missing == set(), "create them: without __init__.py, two modules of one name clash"


def test_helpers_are_imported_by_their_full_path() -> None:
    """A changed sys.path would make an import depend on the tests that ran before."""
    found = [fault for module in MODULES for fault in faults_of(module)]
    assert found == [], "import a helper by its full path, from tests. ..."


def test_a_helper_imported_by_a_relative_path_is_found() -> None:
    for line in ("from .rig import x", "import job_parts", "    from job_parts import Rig"):
        assert any(map(is_short, AN_IMPORT.findall(f"import ast\n{line}\n"))), line
    assert not any(map(is_short, AN_IMPORT.findall("import ast\nfrom openai import x\n")))


def test_a_misplaced_test_gets_a_message_with_its_right_place() -> None:
    assert misplaced(UNIT / "worker" / "test_energy_gate_opens.py") == (
        "tests/unit/worker/test_energy_gate_opens.py is named after no module of worker: "
        "tests/unit/worker/speech/vad/test_energy_gate_opens.py or "
        "tests/unit/worker/test_<module of worker>[_<topic>].py"
    )
    nowhere = misplaced(UNIT / "workers" / "test_job.py")
    assert nowhere is not None
    assert "there is no workers" in nowhere
    assert "tests/unit/worker/job/test_job.py" in nowhere
