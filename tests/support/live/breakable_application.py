"""The interview, as long as there is no file BROKEN_WHILE. For INTERVIEW_APPLICATION.

It is looked at whenever somebody asks for the application, and not only at the import, which is
done once, before the fork. The file DEADLY_WHILE ends the process that jobs are forked from.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from worker.interview.application import InterviewApplication

#: What Python makes of `python -c ...`, which is how a forkserver is started.
_IN_THE_FORKSERVER = sys.argv[:1] == ["-c"]

if _IN_THE_FORKSERVER and Path(os.environ["DEADLY_WHILE"]).exists():
    os._exit(3)


def __getattr__(name: str) -> type[InterviewApplication]:
    if name != "Breakable" or Path(os.environ["BROKEN_WHILE"]).exists():
        raise AttributeError(f"there is no {name} today")
    return InterviewApplication
