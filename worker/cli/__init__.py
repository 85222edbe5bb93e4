"""`interview-worker`: the commands."""

from __future__ import annotations

import sys

#: As a shell says that Ctrl-C ended a program.
_INTERRUPTED = 130


def main() -> None:
    """The console script."""
    try:
        # Importing takes a second or two, in which somebody may have thought better of it.
        from worker.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
