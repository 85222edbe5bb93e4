"""Child processes that do not outlive this one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Runs in the child before its program, as a preexec_fn would, without one: Python code between
# fork and exec can deadlock when the parent has threads. It asks for SIGKILL at the parent's
# death (prctl(2), PR_SET_PDEATHSIG = 1, Linux only), gives up when the parent has died already,
# and becomes the program: an exec keeps both the process id and the request.
_LAUNCHER = """
import ctypes, os, sys
parent, program, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[2:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
os.execv(program, arguments)
"""


def start_child(
    arguments: Sequence[str],
    *,
    output: IO[bytes],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that the kernel kills when the thread that called this ends.

    "Thread" and not "process" is the kernel's rule (prctl(2), PR_SET_PDEATHSIG), so call it
    from a thread that lasts: the main thread or an event loop's, never an executor's. Outside
    Linux the program is started without that guard.

    The program leads a process group of its own, so that a Ctrl-C in the terminal reaches this
    process alone, which then ends its children in its own order.

    Args:
        arguments: The program, as a path, and its arguments.
        output: Takes the program's standard output and standard error.
        env: The program's environment; this process's own when None.
        cwd: The folder it is started in; this process's own when None.

    Raises:
        OSError: This interpreter cannot be started. A program that cannot be started shows as
            a child that exits with 1 and a traceback in `output`.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 (no shell, and the callers name the program themselves)
        [*launcher, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
    )
