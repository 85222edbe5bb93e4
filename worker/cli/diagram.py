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
    dialogue: Annotated[
        bool, typer.Option("--dialogue", help="Draw the phases of the dialogue (svg or png).")
    ] = False,
) -> None:
    """Draw the lifecycle: events solid, timeouts dashed with their seconds, failures red."""
    # Import here and not at the top: the imports include livekit-agents and take a second, which
    # --help must not take.
    from states import render
    from worker.interview.resources import interview_meanings

    if dialogue:
        write_out(_dialogue(form, job), output)
        return
    history = run(history_of(job)) if job else None
    with one_line_errors():
        try:
            drawn = getattr(render, form)(history, losses=interview_meanings())
        except render.RenderUnavailable as error:
            raise CommandError(str(error), ExitCode.FAILED) from error
        write_out(drawn if isinstance(drawn, bytes) else drawn.encode(), output)


def _dialogue(form: DiagramFormat, job: str | None) -> bytes:
    """Return the drawing of the dialogue's phases."""
    from states.render import RenderUnavailable
    from worker.interview.dialogue import drawing

    if job or form not in (DiagramFormat.SVG, DiagramFormat.PNG):
        raise CommandError("--dialogue needs --format svg or png, and no --job", ExitCode.USAGE)
    try:
        return drawing.svg().encode() if form is DiagramFormat.SVG else drawing.png()
    except RenderUnavailable as error:
        raise CommandError(str(error), ExitCode.FAILED) from error
