"""Child processes that do not outlive this one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Launcher that runs in the child before the program. It replaces a preexec_fn: Python code
# between fork and exec can deadlock when the parent has threads. The launcher requests SIGKILL
# at the parent's death (prctl(2), PR_SET_PDEATHSIG = 1, Linux only), exits when the parent is
# already dead, and then execs the program. The exec keeps the process id and the request.
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

    The kernel ties this to the calling thread, not to its process (prctl(2),
    PR_SET_PDEATHSIG). So call it from a long-lived thread: the main thread or an event loop's,
    never an executor's. Outside Linux the program starts without that guard.

    The program leads its own process group. A Ctrl-C in the terminal reaches only this process,
    which then ends its children in its own order.

    Args:
        arguments: The program, as a path, and its arguments.
        output: Receives the program's standard output and standard error.
        env: The program's environment; inherited when None.
        cwd: The program's working directory; inherited when None.

    Raises:
        OSError: This interpreter cannot be started. If the program cannot be started, the
            child exits with 1 and writes a traceback to `output`.
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
