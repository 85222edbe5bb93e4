"""`interview-worker diagram`: draw the lifecycle or the dialogue, or one job's path through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.common import CommandError, ExitCode, one_line_errors, run, write_out
from worker.cli.jobs import history_of

if TYPE_CHECKING:
    from states import History
    from worker.interview.dialogue.drawing_view import View
    from worker.interview.dialogue.records import Record


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
    job: Annotated[
        str | None,
        typer.Option(help="Draw the path of this job: the job's id, or the path of a journal."),
    ] = None,
    dialogue: Annotated[
        bool, typer.Option("--dialogue", help="Draw the phases of the dialogue instead.")
    ] = False,
) -> None:
    """Draw the lifecycle: events solid, timeouts dashed with their seconds, failures red.

    With --dialogue, draw the phases of the dialogue, and the acts and events that lead from one to
    another. With --dialogue and --job, the visited phases and the arrows that the job took are
    highlighted, each with the number of times. A job without records of a dialogue is an error.
    """
    # Import here and not at the top: the imports include livekit-agents and take a second, which
    # --help must not take.
    from states.render import RenderUnavailable

    history = run(history_of(job)) if job else None
    with one_line_errors():
        try:
            drawn = _dialogue(form, history) if dialogue else _lifecycle(form, history)
        except RenderUnavailable as error:
            raise CommandError(str(error), ExitCode.FAILED) from error
        write_out(drawn if isinstance(drawn, bytes) else drawn.encode(), output)


def _lifecycle(form: DiagramFormat, history: History | None) -> str | bytes:
    """Return the drawing of the lifecycle, or of a job's path through it."""
    from states import render
    from worker.interview.resources import interview_meanings

    drawn: str | bytes = getattr(render, form)(history, losses=interview_meanings())
    return drawn


def _dialogue(form: DiagramFormat, history: History | None) -> str | bytes:
    """Return the drawing of the dialogue's phases, or of a job's path through them.

    Raises CommandError if the job has no records of a dialogue, or one that cannot be read.
    """
    from worker.interview.dialogue import drawing, drawing_text
    from worker.interview.dialogue.drawing_view import view

    drawings: dict[DiagramFormat, Callable[[View], str | bytes]] = {
        DiagramFormat.MERMAID: drawing_text.mermaid,
        DiagramFormat.DOT: drawing_text.dot,
        DiagramFormat.SVG: drawing.svg,
        DiagramFormat.PNG: drawing.png,
    }
    shown = view()
    if history is not None:
        job = str(history.header.get("job_id") or "unnamed")
        shown = view(_records(history, job), job=job)
    return drawings[form](shown)


def _records(history: History, job: str) -> Sequence[Record]:
    from worker.interview.dialogue.journal_record import records_in

    try:
        records = records_in(history.dialogue)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CommandError(
            f"a record of the dialogue of job {job} cannot be read ({type(error).__name__})"
        ) from error
    if not records:
        raise CommandError(
            f"the journal of job {job} has no records of a dialogue", ExitCode.NOT_FOUND
        )
    return records
