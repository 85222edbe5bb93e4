"""Child processes that end with the process that started them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from worker.simulation.child_process import start_child

if TYPE_CHECKING:
    from pathlib import Path

PARENT = """
import sys, time
from pathlib import Path
from worker.simulation.child_process import start_child

with open(sys.argv[1], "wb") as output:
    start_child(["/bin/sh", "-c", "echo $$; exec sleep 600"], output=output)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the guard is the Linux kernel's")
def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    os.mkfifo(said)
    with subprocess.Popen([sys.executable, "-c", PARENT, str(said)]) as parent:
        with said.open() as output:
            child = os.pidfd_open(int(output.readline()))
        parent.kill()
    ended, _, _ = select.select([child], [], [], 60)
    os.close(child)
    assert ended


def test_a_child_keeps_its_arguments_environment_and_output(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        child = start_child(
            ["/bin/sh", "-c", 'echo "$WORD" "$1"', "sh", "two words"],
            output=log,
            env={"WORD": "said"},
        )
    assert child.wait() == 0
    assert (tmp_path / "log").read_text() == "said two words\n"


def test_a_child_starts_in_the_given_folder(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        child = start_child(["/bin/sh", "-c", "pwd -P"], output=log, cwd=tmp_path)
    assert child.wait() == 0
    assert (tmp_path / "log").read_text() == f"{tmp_path.resolve()}\n"


def test_a_missing_program_gives_a_child_that_failed(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        child = start_child([str(tmp_path / "nothing")], output=log)
    assert child.wait() == 1
    assert "FileNotFoundError" in (tmp_path / "log").read_text()
