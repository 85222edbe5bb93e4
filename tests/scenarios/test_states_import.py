from __future__ import annotations

import subprocess
import sys

import pytest

#: Blocks every import except the standard library and the lifecycle's own dependencies.
BLOCKER = """
import sys

class Blocker:
    allowed = sys.stdlib_module_names | {"states", "transitions", "six"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKER + code], capture_output=True, text=True, check=False
    )


@pytest.mark.row("C1", "C8")
@pytest.mark.parametrize("module", ["states", "states.testing", "states.timeline"])
def test_states_needs_only_the_standard_library_and_transitions(module: str) -> None:
    done = run(f"import {module}")
    assert done.returncode == 0, done.stderr


def test_a_lifecycle_runs_with_nothing_else_installed() -> None:
    done = run(
        """
import asyncio
from states import Event, Lifecycle

async def main():
    async with Lifecycle() as job:
        print((await job.fire(Event.ROOM_CONNECTED)).target)

asyncio.run(main())
"""
    )
    assert (done.stdout, done.returncode) == ("CONNECTED\n", 0), done.stderr


def test_virtual_time_without_its_extra_names_the_package_to_install() -> None:
    done = run("from states.testing import journey; journey()")
    assert "pip install 'interview-lifecycle[testing]'" in done.stderr


def test_the_pytest_plugin_does_not_import_the_lifecycle_until_it_is_used() -> None:
    """Every pytest run in an environment with the package pays for this import."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, states.pytest_plugin as plugin;"
            "print(*sorted({'looptime', 'livekit', 'pytest_asyncio', 'states.testing'}"
            " & set(sys.modules)))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "\n"
