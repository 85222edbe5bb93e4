"""`interview-worker demo`: a complete voice interview on this machine."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from states import History
from worker.cli.common import CommandError, ExitCode, one_line_errors
from worker.cli.jobs import print_history


def demo(
    output: Annotated[
        Path | None,
        typer.Option("-o", help="Output folder; default: demo-DATE in the current folder."),
    ] = None,
) -> None:
    """Hold a complete voice interview in a real LiveKit room, without keys or settings.

    Uses the LiveKit server at LIVEKIT_URL. If LIVEKIT_URL is not set, starts livekit-server; if the
    PATH has no livekit-server, the command builds the program once. Starts PostgreSQL and a worker,
    joins as a candidate who answers aloud, prints the conversation and the job's path through the
    states, and stops everything that it started. Without a LiveKit server, prints what to install,
    and exits with 5.
    """
    from worker.demo.demo import DemoFailed, log_to, run_demo
    from worker.demo.worker_process import WorkerDidNotStart
    from worker.simulation.livekit_binary import LiveKitServerUnavailable
    from worker.simulation.room_candidate import CandidateTimeout

    folder = _folder(output)
    console = log_to(sys.stdout)
    with one_line_errors():
        try:
            history = asyncio.run(run_demo(console, folder))
        except LiveKitServerUnavailable as error:
            if output is None:
                with suppress(OSError):
                    folder.rmdir()  # remove the output folder, which is empty
            raise CommandError(str(error), ExitCode.UNAVAILABLE) from error
        except WorkerDidNotStart as error:
            raise CommandError(str(error)) from error
        except (DemoFailed, CandidateTimeout) as error:
            raise CommandError(f"{error}; the worker's log is {folder / 'worker.log'}") from error
    _print_result(console, history, folder)
    if history.exit_code != 0:
        raise typer.Exit(ExitCode.FAILED)


def _print_result(console: Console, history: History, folder: Path) -> None:
    """Print the job's path through the states, and the files that the demo wrote."""
    console.print()
    print_history(history, console)
    console.print()
    for name, what in (
        ("recording.wav", "both voices of the interview, recorded at the candidate"),
        ("transcript.md", "every turn, from the database"),
        ("path.svg", "the job's path through the states, as a diagram"),
        ("journal.jsonl", "the job's journal; `interview-worker jobs show FILE` prints it"),
        ("worker.log", "the worker's log"),
    ):
        line = Text.assemble(f"  {folder / name}  ", (what, "dim"))
        console.print(line, soft_wrap=True)


def _folder(output: Path | None) -> Path:
    """Create the output folder and return it.

    Without -o, a temporary folder is created if the current folder is not writable.
    """
    wanted = output or Path(f"demo-{datetime.now():%Y%m%d-%H%M%S}")
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if not os.access(wanted, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        if output is not None:
            raise typer.BadParameter(f"cannot write {output}: {error.strerror}") from error
        return Path(tempfile.mkdtemp(prefix="interview-demo-"))
    return wanted
