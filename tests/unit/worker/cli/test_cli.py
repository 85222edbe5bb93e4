"""The console script: output that cannot be written, and who may read its files."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from worker.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def readable_by_all() -> Iterator[None]:
    """Let new files be readable by all users, as most systems do; restore this process's mask."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("readable_by_all")
def test_a_file_that_a_command_writes_is_closed_to_other_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "diagram.svg"
    monkeypatch.setattr(sys, "argv", ["interview-worker", "diagram", "-o", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
