"""The script of a document's session, and the commands that it must not contain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.documents.markdown import parse
from tests.support.documents.sessions import has_tests, not_runnable, script_of

PAGE = """\
# A page

```yaml
# plan.yaml
title: Talk
```

```sh
ls plan.yaml
```

```sh not run: needs a checkout
make demo
```
"""


def test_each_line_of_the_script_has_its_number_in_the_document() -> None:
    lines = script_of(parse(PAGE, Path("page.md")), Path("/started")).splitlines()
    assert lines[0].startswith("set -euo pipefail; trap ")
    assert lines[2:6] == [
        "cat > plan.yaml <<'END_OF_THE_FENCE'",
        "# plan.yaml",
        "title: Talk",
        "END_OF_THE_FENCE",
    ]
    assert lines[8] == "ls plan.yaml"
    assert "make demo" not in lines


@pytest.mark.parametrize(
    "command",
    ["make test", "python3.11 -m pip install x", ".venv/bin/pip install x", "a && git clone URL"],
)
def test_a_command_that_no_test_can_run_is_reported_with_its_line(command: str) -> None:
    (message,) = not_runnable(parse(f"# A page\n\n```sh\n{command}\n```\n", Path("page.md")))
    assert message.startswith("page.md:4: a test would run `")
    assert message.endswith("write ```sh not run: REASON")


def test_a_fence_that_is_not_run_may_contain_any_command() -> None:
    assert not_runnable(parse(PAGE, Path("page.md"))) == []


@pytest.mark.parametrize(
    ("info", "text", "runs"),
    [
        ("python", "def test_x(): ...", True),
        ("python", "async def test_x(): ...", True),
        ("python", "def prepare(): ...", False),
        ("python fragment", "def test_x(): ...", False),
    ],
)
def test_python_fences_with_a_test_function_are_tests(info: str, text: str, runs: bool) -> None:
    (fence,) = parse(f"```{info}\n{text}\n```\n", Path("page.md")).fences
    assert has_tests(fence) is runs
