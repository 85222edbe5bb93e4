"""Liveness of job processes, as observed by their worker."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from worker.aio.threads import LastAnswer

#: Seconds without a heartbeat after which a job's event loop counts as permanently stuck. A job
#: touches its journal once a second as its heartbeat. A job survives shorter stalls of its event
#: loop. During such a stall, the stall guard (worker/job/stall_guard.py) asks the candidate to
#: wait.
SILENT_S: Final = 6.0
#: Maximum seconds for which a renewal of the leases waits for the heartbeats of all jobs; it waits
#: at most the same time for the states of their processes. A healthy disk answers in less than a
#: millisecond.
ANSWER_WITHIN_S: Final = 0.1
#: Seconds for which the heartbeats that were read are used, because a job touches its journal only
#: once a second, and a worker asks twice a second.
READ_EVERY_S: Final = 0.9
#: Process states of /proc/<pid>/stat in which the process runs no code: stopped, stopped by a
#: debugger, dead, or a zombie.
_AT_REST: Final = frozenset("TtXZ")


class Liveness:
    """Liveness of the jobs of one worker. No call blocks the event loop, even if the disk hangs.

    While the disk does not answer, the last heartbeats that were read are used, and a job without
    an earlier heartbeat counts as alive. The check whether a job's process runs does not need the
    disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        none: frozenset[str] = frozenset()
        self._heartbeats = LastAnswer("heartbeats", none, within_s=ANSWER_WITHIN_S)
        self._silent = none
        #: Loop time from which the heartbeats are read again.
        self._read_due = -math.inf
        self._processes = LastAnswer("process-states", none, within_s=ANSWER_WITHIN_S)

    async def living(self, jobs: Mapping[str, int | None]) -> list[str]:
        """Return the ids of the jobs that are alive.

        `jobs` has the pid of each job's process, or None if the job has no process yet.
        """
        stopped: frozenset[str] = frozenset()
        # A worker asks twice a second, so no thread is used without need.
        if any(pid is not None for pid in jobs.values()):
            stopped = await self._processes.ask(partial(_stopped, dict(jobs)))
        now = asyncio.get_running_loop().time()
        if jobs and now >= self._read_due:
            self._read_due = now + READ_EVERY_S
            ask = partial(_silent, self._folder, tuple(jobs))
            self._silent = await self._heartbeats.ask(ask)
        return [job_id for job_id in jobs if job_id not in stopped | self._silent]


def is_alive(journal: Path, pid: int | None) -> bool:
    """Return whether the job's process runs, with a heartbeat in the last `SILENT_S` seconds.

    The heartbeat is not required if the job's journal is not on the disk, or if the disk rejects
    writes to the journal. Blocks while the disk does not answer.
    """
    return not _is_stopped(pid) and not _is_silent(journal)


def _stopped(jobs: Mapping[str, int | None]) -> frozenset[str]:
    return frozenset(job_id for job_id, pid in jobs.items() if _is_stopped(pid))


def _silent(folder: Path, jobs: Iterable[str]) -> frozenset[str]:
    return frozenset(job_id for job_id in jobs if _is_silent(folder / f"{job_id}.jsonl"))


def _is_stopped(pid: int | None) -> bool:
    return pid is not None and _process_state(pid) in _AT_REST


def _is_silent(journal: Path) -> bool:
    try:
        age_s = time.time() - journal.stat().st_mtime
    except OSError:
        return False
    # After the clock was set back the age may be negative; the job then counts as alive.
    return age_s >= SILENT_S and os.access(journal, os.W_OK)


def _process_state(pid: int) -> str:
    """Return the state letter of proc_pid_stat(5); empty if the system does not report it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    # The process name before the state is in parentheses, and may contain any character.
    return stat.rpartition(")")[2].strip()[:1]
