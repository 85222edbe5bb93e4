"""Starts child processes that do not outlive this process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Code that runs in the child process before the program. A preexec_fn is not used, because Python
# code between fork and exec can deadlock if the parent process has threads. The launcher asks the
# kernel to send SIGKILL when the parent dies (prctl(2), PR_SET_PDEATHSIG = 1, Linux only). The
# launcher exits if the parent is already dead. Otherwise the launcher execs the program, which
# keeps the process id and the request to the kernel.
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
    """Start a program that the kernel kills when the calling thread ends.

    The kernel kills the program when the calling thread ends, even if the calling process continues
    (prctl(2), PR_SET_PDEATHSIG). So call this function in a long-lived thread: in the main thread
    or the thread of an event loop, never in a thread of an executor. Outside Linux the kernel does
    not kill the program.

    The program leads its own process group. Ctrl-C in the terminal therefore reaches only this
    process, which can then end its child processes in the right order.

    Args:
        arguments: The path of the program, followed by the arguments of the program.
        output: Receives the program's standard output and standard error.
        env: The environment of the program; None to inherit the environment of this process.
        cwd: The working directory of the program; None to use the working directory of this
            process.

    Raises:
        OSError: The Python interpreter that runs the launcher cannot be started. If the launcher
            cannot execute the program, no error is raised: the child process writes a traceback to
            `output` and exits with 1.
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
