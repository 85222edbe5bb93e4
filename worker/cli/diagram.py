"""`interview-worker diagram`: draw the lifecycle, or one job's path through it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.common import CommandError, ExitCode, one_line_errors, run, write_out
from worker.cli.jobs import history_of


class DiagramFormat(StrEnum):
    """Output formats of a diagram."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    PNG = "png"


def diagram(
    form: Annotated[
        DiagramFormat, typer.Option("--format", help="mermaid, dot, svg or png.")
    ] = DiagramFormat.MERMAID,
    output: Annotated[Path | None, typer.Option("-o", help="Output file; default: print.")] = None,
    job: Annotated[str | None, typer.Option(help="Draw the path of this job.")] = None,
) -> None:
    """Draw the lifecycle: events solid, timeouts dashed with their seconds, failures red."""
    # Import here and not at the top: the imports include livekit-agents and take a second, which
    # --help must not take.
    from states import render
    from worker.interview.resources import interview_meanings

    history = run(history_of(job)) if job else None
    with one_line_errors():
        try:
            drawn = getattr(render, form)(history, losses=interview_meanings())
        except render.RenderUnavailable as error:
            raise CommandError(str(error), ExitCode.FAILED) from error
        write_out(drawn if isinstance(drawn, bytes) else drawn.encode(), output)
