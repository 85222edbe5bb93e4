"""Finds out which host writes a journal.

A journal is locked while its job runs, but on some network file systems other hosts do not see the
lock. A journal's header therefore contains the boot id of the job's operating system. Processes
with the same boot id see each other's locks, even in different containers.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

#: Seconds for which the journal of another host must not change before its job counts as dead. A
#: living job touches its journal once a second (worker/journal/heartbeat.py), and NFS may show that
#: change up to 60 s later (acregmax in nfs(5)).
SILENT_ELSEWHERE_S: Final = 120.0
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
#: Maximum number of bytes that are read of a header.
_LONGEST_HEADER: Final = 1 << 20


@functools.cache
def boot_id() -> str | None:
    """Return the id of this boot of the operating system; None if the system has no such id."""
    try:
        return _BOOT_ID.read_text().strip() or None
    except OSError:
        return None


def owner_fields() -> dict[str, str]:
    """Return the fields of a journal's header that name the host of its job."""
    boot = boot_id()
    return {"host": socket.gethostname()} | ({} if boot is None else {"boot_id": boot})


class OtherHosts:
    """Tells which journals of a shared folder may be written by a job on another host.

    A journal without a header may belong to any host, because a job may have just created it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: For each journal that may belong to another host, by job id: the time of its last change
        #: and its size, and the time at which this process first saw these two values.
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}

    def may_write(self, path: Path) -> bool:
        """Return whether a job on another host may be writing this journal.

        Blocks while the journal is read.

        The answer is False for a journal of this host, because the journal's lock tells whether the
        job runs. The answer is also False if the journal did not change for `SILENT_ELSEWHERE_S`
        seconds while this process observed it. Clocks of different hosts are not compared.
        """
        try:
            header, change = _read(path)
        except OSError:
            return False  # the code that later opens the journal reports the error
        if header is not None and _is_of_this_host(header):
            return False
        seen = self._seen.get(path.stem)
        if seen is None or seen[0] != change:
            self._seen[path.stem] = (change, self._clock())
            return True
        return self._clock() - seen[1] < SILENT_ELSEWHERE_S

    def forget_all_but(self, job_ids: Collection[str]) -> None:
        """Forget all journals except those of the jobs `job_ids`, because all others are gone."""
        self._seen = {name: seen for name, seen in self._seen.items() if name in job_ids}


def _read(path: Path) -> tuple[Mapping[str, Any] | None, tuple[int, int]]:
    """Return the header of a journal (None if missing), and its last change and size.

    The mapping is empty if the first line is no header.
    """
    # Open the file, because an NFS client then asks the server for the current attributes. Use
    # O_NONBLOCK, because opening a FIFO would wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        about = os.fstat(descriptor)
        change = (about.st_mtime_ns, about.st_size)
        if not stat.S_ISREG(about.st_mode):
            return {}, change
        line, end, _ = os.pread(descriptor, _LONGEST_HEADER, 0).partition(b"\n")
    finally:
        os.close(descriptor)
    if not end and len(line) < _LONGEST_HEADER:
        return None, change
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return {}, change
    return header if isinstance(header, dict) else {}, change


def _is_of_this_host(header: Mapping[str, Any]) -> bool:
    """Return True if a header names this host, or no host (headers of version 0.1.0 name none)."""
    there, here = header.get("boot_id"), boot_id()
    if isinstance(there, str) and here is not None:
        return there == here
    host = header.get("host")
    return not isinstance(host, str) or host == socket.gethostname()
