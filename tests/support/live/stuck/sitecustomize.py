"""Python imports this at its start, where this folder is on PYTHONPATH: a worker that gets stuck.

Once STUCK_WHILE names a file that is there, the worker's main process is in a call that does not
return before that file is gone. Its event loop stands still, its other threads go on. With
NEVER_ENDS it has a thread that does not end, as a read from a disk that does not answer.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path


def wait_for(there: bool) -> None:
    """Block until the file is there, or is not."""
    while Path(os.environ["STUCK_WHILE"]).exists() is not there:
        time.sleep(0.05)


def get_stuck_once_told() -> None:
    """In a thread: a signal's handler runs in the main one, between two of its instructions."""
    wait_for(there=True)
    os.kill(os.getpid(), signal.SIGUSR2)


if sys.orig_argv[-3:] == ["-m", "worker", "start"]:
    if "NEVER_ENDS" in os.environ:
        threading.Thread(target=threading.Event().wait, name="disk").start()
    if "STUCK_WHILE" in os.environ:
        signal.signal(signal.SIGUSR2, lambda *_: wait_for(there=False))
        threading.Thread(target=get_stuck_once_told, daemon=True).start()
