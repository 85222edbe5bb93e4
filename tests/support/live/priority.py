"""Processor priority of the candidates, the LiveKit server and the providers of a scenario.

In production they run on other machines. Here they share the processors with a worker, and without
a priority a candidate whose process gets none in time stutters, and is misheard.
"""

from __future__ import annotations

import contextlib
import os
import shutil

#: Steps of niceness (setpriority(2)) between the tests' own processes and a worker. A step is some
#: 10 % of processor time, so that a worker gets a tenth while both want all of it.
_STEPS = 10


def prefer_this_process() -> None:
    """Give this process and its later children the priority, if the system allows it (to root).

    Linux has a niceness for each thread: call this function before other threads are started.
    """
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -_STEPS)


def without_priority() -> tuple[str, ...]:
    """Return the prefix of a command that runs with the usual priority (nice(1))."""
    raised_by = -os.getpriority(os.PRIO_PROCESS, 0)
    nice = shutil.which("nice")
    return (nice, "-n", str(raised_by)) if nice is not None and raised_by > 0 else ()
