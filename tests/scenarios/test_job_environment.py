"""The secrets of the main process, which neither /proc nor a process started later shows."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.unit.worker.server.test_job_environment import ALL, SECRET


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="/proc is Linux's")
def test_the_memory_that_proc_shows_no_longer_has_the_secrets() -> None:
    """Every process of the same user can read this memory, that of a job too."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from worker.server.job_environment import hide_secrets\n"
        "before = Path('/proc/self/environ').read_bytes()\n"
        "hide_secrets()\n"
        "after = Path('/proc/self/environ').read_bytes()\n"
        "secret = sys.argv[1].encode()\n"
        "print(before.count(secret), after.count(secret), b'KEPT=as it is' in after)\n"
        "print(os.environ['KEPT'], os.environ['LIVEKIT_API_SECRET'] == '')\n"
    )
    given = {**os.environ, **ALL, "KEPT": "as it is"}
    shown = subprocess.run(
        [sys.executable, "-c", code, SECRET], env=given, check=True, capture_output=True, text=True
    )
    assert shown.stdout.splitlines() == [f"{len(ALL)} 0 True", "as it is True"]


def test_a_process_that_is_started_afterwards_has_no_secret() -> None:
    code = (
        "import subprocess, sys\n"
        "from worker.server.job_environment import hide_secrets\n"
        "hide_secrets()\n"
        "print(subprocess.run(['env'], capture_output=True, text=True).stdout)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **ALL},
        check=True,
        capture_output=True,
        text=True,
    )
    assert SECRET not in shown.stdout
    assert "LIVEKIT_API_SECRET=\n" in shown.stdout
