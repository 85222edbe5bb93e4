"""Commands whose output goes to a disk with no space left, in real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import environment


# `--version` fails when its output is flushed, and `config` while it prints: 22 kB.
@pytest.mark.parametrize("command", [("--version",), ("config",), ("config", "--json")])
def test_output_on_a_full_disk_is_an_error_of_one_line(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "worker", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environment({}),
        )
    assert done.returncode == 1
    assert done.stderr == "interview-worker: No space left on device\n"
