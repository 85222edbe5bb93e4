"""Folders for the data of the servers and workers that a test starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

#: A file system in memory, where the system has one (Linux). On a disk a PostgreSQL takes twice as
#: long to start and a database ten times as long to be copied, and tests do both all the time.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the names in it are made by mkdtemp
#: Bytes that must be free there: a data folder has about 60 MB, and some tests fill theirs.
_ENOUGH: Final = 4 << 30


def new_folder(prefix: str) -> Path:
    """Make a folder that only this user may list, in memory where there is room for it.

    It is not in pytest's own folder, which is closed to the user that root's PostgreSQL runs as.
    """
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_IN_MEMORY if _has_room(_IN_MEMORY) else None))


def _has_room(folder: Path) -> bool:
    """Return whether programs may be run in it too: containers often allow that in no such one."""
    if not os.access(folder, os.W_OK):
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize >= _ENOUGH and not system.f_flag & os.ST_NOEXEC
