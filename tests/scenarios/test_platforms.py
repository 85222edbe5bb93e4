"""A platform without real-time signals, local speech and an embedded PostgreSQL, such as macOS.

That a worker serves there is tested in tests/e2e/test_cloud_interview.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import bare_platform
from tests.support.environment import environment
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

_IMPORT_ALL = f"""
import importlib.util, pkgutil, signal
assert not hasattr(signal, "SIGRTMIN")
assert not any(map(importlib.util.find_spec, {bare_platform.LINUX_ONLY!r}))
import states, worker
for package in (states, worker):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from worker.job.signals import HANDOVER_SIGNAL
assert HANDOVER_SIGNAL is signal.SIGURG
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs Python with arguments on the bare platform."""
    settings = {
        **bare_platform.variables(tmp_path / "platform"),
        "INTERVIEW_DATA_DIR": str(tmp_path / "data"),
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": "key",
        "LIVEKIT_API_SECRET": "a-secret-of-at-least-32-characters",
        "INTERVIEW_LIVEKIT_START_BUDGET_S": "0.1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(settings),
        )

    return run


def test_every_module_can_be_imported(run: Run) -> None:
    done = run("-c", _IMPORT_ALL)
    assert done.returncode == 0, done.stderr


def test_the_lifecycle_and_a_journal_are_drawn(run: Run) -> None:
    journal = str(REPOSITORY / "diagrams" / "samples" / "healthy.jsonl")
    diagram = run("-m", "worker", "diagram", "--format", "svg")
    assert (diagram.returncode, diagram.stdout[:4]) == (0, "<svg")
    plot = run("-m", "worker", "plot", journal)
    assert (plot.returncode, plot.stdout[:4]) == (0, "<svg")


def test_the_doctor_names_what_is_missing_and_what_to_do(run: Run) -> None:
    done = run("-m", "worker", "doctor", "--json")
    found = [json.dumps(check) for check in json.loads(done.stdout)["checks"]]
    speech = [check for check in found if "local speech" in check]
    assert done.returncode == 1
    assert speech
    assert all('"wrong"' in check and "pip install" in check for check in speech)


def test_a_worker_without_a_database_names_the_setting(run: Run) -> None:
    done = run("-m", "worker", "start")
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1
