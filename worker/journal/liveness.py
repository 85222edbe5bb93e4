"""Liveness of job processes, as observed by their worker."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

#: Seconds without a heartbeat after which a job's event loop counts as permanently stuck. A job
#: touches its journal once a second as its heartbeat. A job survives shorter stalls of its event
#: loop. During such a stall, the stall guard (worker/job/stall_guard.py) asks the candidate to
#: wait.
SILENT_S: Final = 6.0
#: Process states of /proc/<pid>/stat in which the process runs no code: stopped, stopped by a
#: debugger, dead, or a zombie.
_AT_REST: Final = frozenset("TtXZ")


def is_alive(journal: Path, pid: int | None) -> bool:
    """Return whether the job's process runs, with a heartbeat in the last `SILENT_S` seconds.

    The heartbeat is not required if the job's journal cannot show it, because the journal is not on
    the disk or the disk rejects writes to the journal.
    """
    if pid is not None and _process_state(pid) in _AT_REST:
        return False
    try:
        age_s = time.time() - journal.stat().st_mtime
    except OSError:
        return True
    # If the clock was set back, the age is negative, and the job counts as alive.
    return age_s < SILENT_S or not os.access(journal, os.W_OK)


def _process_state(pid: int) -> str:
    """Return the state letter of proc_pid_stat(5); empty if the system does not report it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    # The process name before the state is in parentheses, and may contain any character.
    return stat.rpartition(")")[2].strip()[:1]
