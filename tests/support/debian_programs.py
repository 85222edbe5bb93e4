"""Programs that no Python package brings: a test that needs one says how to get it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

#: Debian puts servers where only root's PATH looks.
_FOLDERS = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def debian_program(name: str, *, package: str | None = None) -> Path:
    """The path of a program of a Debian package, by default the one of its own name.

    Where it is not installed the test is skipped; with CI=true it fails.
    """
    found = shutil.which(name, path=_FOLDERS)
    if found is not None:
        return Path(found)
    problem = f"{name} is not installed: apt-get install {package or name}"
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)
