"""The command line `interview-worker`."""

from __future__ import annotations

import sys

#: Exit code of a command that Ctrl-C ended, by shell convention.
_INTERRUPTED = 130


def main() -> None:
    """Run the console script `interview-worker`."""
    try:
        # Inside `try`, because Ctrl-C may be pressed during this import. `app` imports the command
        # itself, which takes up to two seconds, and exits with the same code.
        from worker.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
