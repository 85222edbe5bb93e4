"""The agent of the tutorial and its tests, as a reader writes them into a folder."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from tests.support.environment import environment
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = REPOSITORY / "docs/tutorial/first-agent.md"
#: The content of a Python fence of a page.
FENCE: Final = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_tests_of_the_tutorials_agent_pass(tmp_path: Path) -> None:
    *_, agent, tests = FENCE.findall(PAGE.read_text(encoding="utf-8"))
    (tmp_path / "doorkeeper.py").write_text(agent, encoding="utf-8")
    (tmp_path / "test_doorkeeper.py").write_text(tests, encoding="utf-8")
    kept = {k: v for k, v in environment({}).items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_doorkeeper.py"],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "2 passed" in done.stdout
