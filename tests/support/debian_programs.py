"""Programs that come from Debian packages, not from Python packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

#: Debian installs servers in folders that are on the PATH of root only.
_FOLDERS = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def debian_program(name: str, *, package: str | None = None) -> Path:
    """Return the path of a program from a Debian package (default: the package `name`).

    If the program is not installed, skip the test; with CI=true fail it. The message names the
    package to install.
    """
    found = shutil.which(name, path=_FOLDERS)
    if found is not None:
        return Path(found)
    problem = f"{name} is not installed: apt-get install {package or name}"
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)
