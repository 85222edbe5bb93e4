"""The command line `interview-worker`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

#: Exit code of a command that Ctrl-C ended, by shell convention.
_INTERRUPTED = 130


def main() -> None:
    """Run the console script `interview-worker`.

    If the output cannot be written, for example to a full disk, the command ends with a one-line
    error.
    """
    # No other user may read journals, exports, recordings and logs, because they contain people's
    # words. All child processes inherit this umask.
    os.umask(0o077)
    try:
        # Import inside `try`, because Ctrl-C may be pressed during this import. Later imports, of
        # the command itself, happen inside `app`, which exits with the same code on Ctrl-C.
        from worker.cli.app import app

        try:
            app()
        except SystemExit as ended:
            try:
                _flush_output()
            except OSError:
                if not ended.code:
                    raise
                _drop_output()  # the command has already reported a failure
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
    """Write the buffered output. Raises OSError if the output cannot be written."""
    # None if standard output is closed (`>&-`).
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def _drop_output() -> None:
    """Close standard output, so that Python does not fail at exit while it flushes the output."""
    with suppress(OSError):
        if sys.stdout is not None:
            sys.stdout.close()
