"""The command line `interview-worker`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

#: Exit code of a command that Ctrl-C ended, by shell convention.
_INTERRUPTED = 130


def main() -> None:
    """Run the console script `interview-worker`.

    Output that cannot be written, as on a full disk, is an error of one line.
    """
    # Journals, exports, recordings and logs hold people's words: no other user may read them. Every
    # process that the worker starts inherits this.
    os.umask(0o077)
    try:
        # Inside `try`, because Ctrl-C may be pressed during this import. `app` imports the command
        # itself, which takes up to two seconds, and exits with the same code.
        from worker.cli.app import app

        try:
            app()
        except SystemExit as ended:
            try:
                _flush_output()
            except OSError:
                if not ended.code:
                    raise
                _drop_output()  # the command has reported a failure already
            raise
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except OSError as error:
        _drop_output()
        if isinstance(error, BrokenPipeError):
            sys.exit(1)  # the reader of the output has gone
        from worker.cli.errors import PREFIX, text_of

        sys.exit(f"{PREFIX}{text_of(error)}")


def _flush_output() -> None:
    """Write what is buffered. Raises OSError if it cannot be written."""
    if sys.stdout is not None and not sys.stdout.closed:  # None if it was never open (`>&-`)
        sys.stdout.flush()


def _drop_output() -> None:
    """Close standard output. Otherwise Python would write the rest at exit, with a traceback."""
    with suppress(OSError):
        if sys.stdout is not None:
            sys.stdout.close()
