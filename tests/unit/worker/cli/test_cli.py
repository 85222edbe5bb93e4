"""The console script: output that cannot be written, and who may read its files."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", [("--version",), ("faults",), ("faults", "--json")])
def test_output_on_a_full_disk_is_an_error_of_one_line(command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "worker", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "interview-worker: No space left on device\n"


def test_a_file_that_a_command_writes_is_closed_to_other_users(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "worker", "diagram", "-o", tmp_path / "diagram.svg"],
        check=True,
        umask=0o022,
    )
    assert stat.S_IMODE((tmp_path / "diagram.svg").stat().st_mode) == 0o600
