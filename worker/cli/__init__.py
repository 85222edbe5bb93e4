"""The command line `interview-worker`."""

from __future__ import annotations

import sys

#: Exit code after Ctrl-C, by shell convention.
_INTERRUPTED = 130


def main() -> None:
    """Run the console script."""
    try:
        # Imported here: the import takes a second or two, and Ctrl-C may arrive during it.
        from worker.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
