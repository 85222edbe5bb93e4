"""The interview application, which is missing while the file BROKEN_WHILE exists.

Use it as INTERVIEW_APPLICATION. BROKEN_WHILE and DEADLY_WHILE are environment variables with the
paths of the files. BROKEN_WHILE is checked on each access to the application, because the import
runs only once, before the fork. If the file DEADLY_WHILE exists, the import ends the forkserver.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from worker.interview.application import InterviewApplication

#: A forkserver is started as `python -c ...`; Python then puts "-c" into `sys.argv`.
_IN_THE_FORKSERVER = sys.argv[:1] == ["-c"]

if _IN_THE_FORKSERVER and Path(os.environ["DEADLY_WHILE"]).exists():
    os._exit(3)


def __getattr__(name: str) -> type[InterviewApplication]:
    if name != "Breakable" or Path(os.environ["BROKEN_WHILE"]).exists():
        raise AttributeError(f"there is no {name} today")
    return InterviewApplication
