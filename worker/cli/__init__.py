"""The command line `interview-worker`."""

from __future__ import annotations

import sys

#: Exit code of a command that Ctrl-C ended, by shell convention.
_INTERRUPTED = 130


def main() -> None:
    """Run the console script `interview-worker`."""
    try:
        # This import takes one or two seconds. It is inside `try`, because Ctrl-C may be pressed
        # during the import.
        from worker.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
