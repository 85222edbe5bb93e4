"""The commands and the tests that documents show, run as a reader would run them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from filelock import FileLock

from tests.support.documents.markdown import document_paths, parse, read
from tests.support.documents.sessions import (
    has_tests,
    not_runnable,
    run_commands,
    run_python_tests,
)
from tests.support.folders import new_folder
from tests.support.paths import REPOSITORY
from worker.store.embedded.layout import Layout

#: More than `LONGEST_S` of a session.
pytestmark = pytest.mark.timeout(300)


def _documents_with(fence: str) -> list[str]:
    """Return the paths of the documents that have a match of `fence`, without parsing them."""
    return [
        path.relative_to(REPOSITORY).as_posix()
        for path in document_paths()
        if re.search(fence, path.read_text(encoding="utf-8"), re.MULTILINE)
    ]


WITH_COMMANDS: Final = _documents_with(r"^ *```sh *$")
WITH_TESTS: Final = _documents_with(r"^ *(?:async )?def test_")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield an empty folder, and remove it when the database in `data` has stopped.

    It is not in pytest's own folder, which is closed to the user that root's server runs as.
    """
    made = new_folder("interview-documents-")
    try:
        yield made
        lock = Layout.of(made / "data").keeper_lock
        if lock.exists():
            with FileLock(lock, timeout=30):
                pass
    finally:
        shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_the_commands_of_a_document_run_in_an_empty_folder(name: str, folder: Path) -> None:
    document = read(REPOSITORY / name)
    not_to_run = not_runnable(document)
    if not_to_run:
        pytest.fail("\n".join(not_to_run), pytrace=False)
    problem = run_commands(document, folder)
    if problem:
        pytest.fail(problem, pytrace=False)


@pytest.mark.parametrize("name", WITH_TESTS)
def test_the_tests_of_a_document_pass_in_an_empty_folder(name: str, folder: Path) -> None:
    document = read(REPOSITORY / name)
    if not any(map(has_tests, document.fences)):
        return
    problem = run_python_tests(document, folder)
    if problem:
        pytest.fail(problem, pytrace=False)


PAGE: Final = """\
# A page

```yaml
# plan.yaml
title: Talk
```

```sh
name=plan
grep -q Talk "$name.yaml"
echo found
grep absent plan.yaml \\
  other.yaml
echo never
```
"""


def test_a_failed_command_is_reported_with_its_line_and_its_output(folder: Path) -> None:
    problem = run_commands(parse(PAGE, Path("page.md")), folder)
    assert problem is not None
    first, *output = problem.splitlines()
    place = re.fullmatch(r"page\.md:1[23]: `.*` failed with exit code 2; the last output:", first)
    assert place, problem
    assert output[0] == "found"
    assert "other.yaml" in output[1]
    assert "never" not in output


TESTS: Final = """\
# A page

```python
# answer.py
ANSWER = 42
```

```python
from answer import ANSWER


def test_the_answer_is_even():
    assert ANSWER % 2 == 0


def test_the_answer_is_odd():
    assert ANSWER % 2 == 1
```
"""


def test_a_failed_test_of_a_document_is_reported_with_its_line(folder: Path) -> None:
    problem = run_python_tests(parse(TESTS, Path("page.md")), folder)
    assert problem is not None
    assert "page.md: pytest failed with exit code 1" in problem
    assert "test_line_8.py:17: AssertionError" in problem
    assert "1 failed, 1 passed" in problem
