"""The last lines of a journal file, which the disk has not confirmed yet."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path


class UnsyncedLines:
    """Syncs a file that is only appended to, and keeps the lines that no sync has confirmed.

    After a failed fsync, Linux may treat the pages that it could not write as written, and a later
    fsync then succeeds without writing these pages (https://wiki.postgresql.org/wiki/Fsync_Errors).
    Therefore the lines since the last successful sync are kept in memory. After a failed sync, the
    kept lines are written again, at the same position in the file, before the next fsync. A process
    that reads the file does not notice that lines were written again.

    Args:
        path: Path of the file, which is opened again to write lines again, because an `O_APPEND`
            descriptor can write only at the end.
        descriptor: The open file. The caller appends to it and closes it.
        size: Size of the file in bytes before the first line that is passed to `wrote`.
        created: True if the caller has just created the file. The first sync then also syncs the
            folder, because the file's name could otherwise be missing after a crash of the
            computer.
    """

    def __init__(self, path: Path, descriptor: int, *, size: int, created: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self._confirmed = size
        self._created = created
        self._failed = False
        self._lines = bytearray()
        #: Guards `_lines`, which one thread extends while another one syncs.
        self._changing = threading.Lock()
        self._syncing = threading.Lock()

    def wrote(self, line: bytes) -> None:
        """Note that `line` was appended to the file."""
        with self._changing:
            self._lines += line

    def sync(self) -> None:
        """Sync all lines that were appended so far.

        The method blocks, also while another thread is syncing.

        Raises OSError if the disk reports an error; the next call of `sync` then first writes the
        unconfirmed lines again.
        """
        with self._syncing:
            with self._changing:
                lines = bytes(self._lines)
            if self._failed:
                self._write_again(lines)
            self._failed = True
            os.fsync(self._descriptor)
            if self._created:
                _sync_folder(self._path.parent)
            self._created = self._failed = False
            with self._changing:
                del self._lines[: len(lines)]
            self._confirmed += len(lines)

    def _write_again(self, lines: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if not os.path.samestat(os.fstat(descriptor), os.fstat(self._descriptor)):
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            rest, place = memoryview(lines), self._confirmed
            while rest:
                written = os.pwrite(descriptor, rest, place)
                rest, place = rest[written:], place + written
        finally:
            os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot sync folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
