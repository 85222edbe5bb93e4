"""The folder of the journals. All functions and methods block while they wait for the disk."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class JournalFile:
    """A journal in the folder."""

    job_id: str
    #: Seconds since the journal was last written or touched; 0 if that time is in the future.
    age_s: float


class FolderIdentity:
    """Tells whether a path still leads to the folder that this process found there first.

    If a volume is removed while a worker runs, the mount point of the volume becomes an ordinary
    folder of another disk. A worker that used this ordinary folder would write journals that no
    other process searches for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: Device and inode of the folder; None before `note` has found the folder.
        self._first: tuple[int, int] | None = None

    def note(self) -> None:
        """Remember the folder, unless another call has done so."""
        if self._first is None:
            with contextlib.suppress(OSError):
                self._first = self._identity()

    def problem(self) -> str | None:
        """Return why the folder that `note` found is lost or replaced; None if it is unchanged."""
        if self._first is None:
            return None
        try:
            if self._identity() == self._first:
                return None
        except FileNotFoundError:
            return f"{self._folder} was removed while the worker ran"
        except OSError as error:
            return f"cannot find {self._folder} ({error.strerror or type(error).__name__})"
        return f"{self._folder} is another folder or volume than at the start of the worker"

    def _identity(self) -> tuple[int, int]:
        about = self._folder.stat()
        return about.st_dev, about.st_ino


def journals_in(folder: Path) -> Iterator[JournalFile]:
    """Yield the journals in `folder`, without its subfolders, as they are read from the disk.

    A missing folder has no journals. Raises OSError if the folder cannot be read.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if (found := _journal(entry)) is not None:
                yield found


def _journal(entry: os.DirEntry[str]) -> JournalFile | None:
    if not entry.name.endswith(_SUFFIX):
        return None
    try:
        age_s = time.time() - entry.stat().st_mtime
    except OSError:  # another process has just moved the journal
        return None
    return JournalFile(job_id=entry.name.removesuffix(_SUFFIX), age_s=max(0.0, age_s))


def age_of(journal: Path) -> float | None:
    """Return the seconds since a journal was last written or touched; None without a journal."""
    try:
        return max(0.0, time.time() - journal.stat().st_mtime)
    except OSError:
        return None


def remove_older(folder: Path, age_s: float) -> int:
    """Remove journals that are older than `age_s` seconds; return the number of removed files.

    Raises OSError if the folder cannot be read.
    """
    removed = 0
    for found in journals_in(folder):
        if found.age_s > age_s:
            with contextlib.suppress(OSError):  # another worker may have removed the file
                (folder / f"{found.job_id}{_SUFFIX}").unlink()
                removed += 1
    return removed
