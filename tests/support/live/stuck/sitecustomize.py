"""Makes a worker get stuck: Python imports this module at its start from PYTHONPATH.

The environment variable STUCK_WHILE names a file. Once that file exists, the worker's main process
blocks in a call until the file is deleted: its event loop stands still, its other threads continue.
With NEVER_ENDS the worker has a thread that never ends, like a read from a disk that does not
answer.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path


def wait_for(there: bool) -> None:
    """Block until the file exists (`there`), or until it does not."""
    while Path(os.environ["STUCK_WHILE"]).exists() is not there:
        time.sleep(0.05)


def get_stuck_once_told() -> None:
    """Wait in a thread for the file, then block the main thread through its signal handler."""
    wait_for(there=True)
    os.kill(os.getpid(), signal.SIGUSR2)


if sys.orig_argv[-3:] == ["-m", "worker", "start"]:
    if "NEVER_ENDS" in os.environ:
        threading.Thread(target=threading.Event().wait, name="disk").start()
    if "STUCK_WHILE" in os.environ:
        signal.signal(signal.SIGUSR2, lambda *_: wait_for(there=False))
        threading.Thread(target=get_stuck_once_told, daemon=True).start()
