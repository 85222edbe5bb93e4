"""Whether a job's process still does its work, as far as its worker can see."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

#: Seconds without a touch of its journal, which a job gives once a second, after which its event
#: loop counts as stuck for good. Longer than what a job survives by itself: past a blocked loop
#: the candidate is told to wait (worker/loop_guard.py).
SILENT_S: Final = 6.0
#: States of /proc/<pid>/stat that run no code: stopped, stopped by a debugger, dead, a zombie.
_AT_REST: Final = frozenset("TtXZ")


def is_alive(journal: Path, pid: int | None) -> bool:
    """Whether the job gives signs of life; False for one whose process is stopped at this moment.

    Where there is nothing to see, no journal on the disk, or a disk that takes no touches, a job
    whose process runs counts as alive.
    """
    if pid is not None and _process_state(pid) in _AT_REST:
        return False
    try:
        age_s = time.time() - journal.stat().st_mtime
    except OSError:
        return True
    # A clock that was set back is no sign of death.
    return age_s < SILENT_S or not os.access(journal, os.W_OK)


def _process_state(pid: int) -> str:
    """One letter, as in proc_pid_stat(5); empty where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    # The name before it is in parentheses, and may hold any character.
    return stat.rpartition(")")[2].strip()[:1]
