"""Folders for the data of the servers and workers that a test starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

#: A file system in memory (Linux only). On a disk PostgreSQL takes twice as long to start and a
#: database copy takes ten times as long. Tests do both all the time.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the names in it are made by mkdtemp
#: Bytes that must be free there. A data folder has about 60 MB, and some tests fill theirs.
_ENOUGH: Final = 4 << 30


def new_folder(prefix: str) -> Path:
    """Create a folder that only this user may list, in memory if there is enough space.

    The folder is not inside pytest's own folder. Under root, PostgreSQL runs as another user,
    who has no access to pytest's folder.
    """
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_IN_MEMORY if _has_room(_IN_MEMORY) else None))


def _has_room(folder: Path) -> bool:
    """Return whether the folder is writable, has enough free space and is not mounted noexec.

    Containers often mount a file system in memory as noexec.
    """
    if not os.access(folder, os.W_OK):
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize >= _ENOUGH and not system.f_flag & os.ST_NOEXEC
