"""`interview-worker plot`, `blame` and `critical-chain`: the times of a job's start-up."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from states import History, State
from states.render import RenderUnavailable
from states.render.words import took
from states.timeline import Link, Startup, drawing, png, spread_drawing, startup, svg
from worker.cli.common import (
    CommandError,
    ExitCode,
    one_line_errors,
    print_json,
    run,
    write_out,
)
from worker.cli.jobs import history_of
from worker.cli.starts import Starts, newest_starts
from worker.cli.tables import add_row, printable
from worker.config.settings import Settings


class PlotFormat(StrEnum):
    """Output formats of a plot."""

    SVG = "svg"
    PNG = "png"


#: Maximum value of the option --last, the number of journals to read. Reading the journal of a
#: short interview takes about 2 ms.
MOST_JOURNALS = 10_000

OneJob = Annotated[str, typer.Argument(help="The job's id, or the path of a journal.")]
AnyJob = Annotated[str | None, typer.Argument(help="The job's id, or the path of a journal.")]
Last = Annotated[
    int | None,
    typer.Option(help="Read this many of the newest journals on this machine, not one job."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def plot(
    job: AnyJob = None,
    output: Annotated[Path | None, typer.Option("-o", help="Output file; default: print.")] = None,
    form: Annotated[
        PlotFormat | None,
        typer.Option("--format", help="svg or png; default: by the file's extension, else svg."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Include the interview and its closing.")
    ] = False,
    last: Last = None,
) -> None:
    """Draw a job's start-up step by step; with --last, the start-ups of the newest jobs."""
    with one_line_errors():
        _one_of(job, last)
        if whole and last is not None:
            raise CommandError("--whole draws one job: leave out --last", ExitCode.USAGE)
        if job is not None:
            drawn = drawing(_begun(job), whole=whole)
        else:
            starts = _starts(last)
            drawn = spread_drawing(starts.spread, note=starts.note)
        if form is None:
            is_png = output is not None and output.suffix.lower() == ".png"
            form = PlotFormat.PNG if is_png else PlotFormat.SVG
        try:
            data = png(drawn) if form is PlotFormat.PNG else svg(drawn).encode()
        except RenderUnavailable as error:
            raise CommandError(str(error), ExitCode.FAILED) from error
        write_out(data, output)


def blame(job: AnyJob = None, last: Last = None, as_json: Json = False) -> None:
    """List a job's steps, slowest first; with --last, the steps of the newest jobs."""
    with one_line_errors():
        _one_of(job, last)
        if job is not None:
            _blame_job(_begun(job), as_json=as_json)
        else:
            _blame_many(_starts(last), as_json=as_json)


def critical_chain(job: OneJob, as_json: Json = False) -> None:
    """Print the critical chain: the steps that decided when a job reached RUNNING."""
    with one_line_errors():
        history = _begun(job)
        start = startup(history)
        if as_json:
            print_json(_chain_json(history, start))
            return
        typer.echo('The time after "@" is a step\'s start, the time after "+" its duration.\n')
        for depth, line in enumerate(_chain_lines(history, start)):
            typer.echo(printable("  " * (depth - 1) + ("└─" if depth else "") + line))


def _one_of(job: str | None, last: int | None) -> None:
    if (job is None) == (last is None):
        raise CommandError("name one job, or give --last with a number", ExitCode.USAGE)
    if last is not None and not 1 <= last <= MOST_JOURNALS:
        raise CommandError(f"--last is a number from 1 to {MOST_JOURNALS}", ExitCode.USAGE)


def _begun(job: str) -> History:
    """Return the history of a job. Raises CommandError if the job's journal has no transition."""
    history = run(history_of(job))
    if not history.transitions:
        raise CommandError(f"the journal of {job} is empty: the job has recorded nothing yet")
    return history


def _starts(last: int | None) -> Starts:
    return newest_starts(Settings.load(), last or 1)


def _blame_job(history: History, *, as_json: bool) -> None:
    start = startup(history)
    steps = sorted(history.steps, key=lambda step: -step.elapsed_ms)
    if as_json:
        print_json(
            [
                {
                    "name": step.name,
                    "began_s": round(step.began, 6),
                    "elapsed_ms": step.elapsed_ms,
                    "attempts": step.attempts,
                    "ok": step.ok,
                    "reason": step.reason,
                    "state": _state_at(history, step.began),
                    "critical": start.is_critical(step),
                }
                for step in steps
            ]
        )
        return
    table = Table("took", "step", "result", "tries", "began", "state", box=None)
    for step in steps:
        mark = " *" if start.is_critical(step) else ""
        add_row(
            table,
            took(step.elapsed_ms / 1000),
            step.name + mark,
            step.reason,
            step.attempts,
            f"@{step.began:.3f} s",
            _state_at(history, step.began) or "",
        )
    Console().print(table)
    typer.echo("* RUNNING began only after this step: see `interview-worker critical-chain`")


def _state_at(history: History, t: float) -> State | None:
    entered = [transition.target for transition in history.transitions if transition.t <= t]
    return entered[-1] if entered else None


def _blame_many(starts: Starts, *, as_json: bool) -> None:
    spread = starts.spread
    if as_json:
        print_json(spread.as_json(starts.passed_over))
        return
    heads = ("step", "jobs", "min", "median", "p95", "max", "waited for in", "total cost")
    table = Table(*heads, box=None)
    for step in (spread.whole, *spread.steps):
        times = map(took, (step.least, step.median, step.p95, step.most))
        shown = (step.decided, took(step.cost_s)) if step.decided else ("", "")
        add_row(table, step.name, step.jobs, *times, *shown)
    Console().print(table)
    for line in (*spread.verdict(), starts.note):
        if line:
            typer.echo(printable(line))


def _chain_lines(history: History, start: Startup) -> list[str]:
    what = start.target.value if start.target else "the record ends"
    failed = not start.reached and history.outcome
    ending = f" {history.outcome} · {history.reason}" if failed else ""
    return [
        f"{what} @{start.ended:.3f} s{ending}",
        *(_link_line(link) for link in reversed(start.chain)),
    ]


def _link_line(link: Link) -> str:
    line = f"{link.name} @{link.began:.3f} s +{took(link.ended - link.began)}"
    if link.step is None:
        return line
    tries = f" ({link.step.attempts} tries)" if link.step.attempts > 1 else ""
    return line + ("" if link.step.ok else f" {link.step.reason}") + tries


def _chain_json(history: History, start: Startup) -> dict[str, Any]:
    return {
        "job_id": history.header.get("job_id"),
        "reached": start.target,
        "at_s": round(start.ended, 6),
        "outcome": None if start.reached else history.outcome,
        "reason": None if start.reached else history.reason,
        "milestones_s": {name: round(at, 6) for name, at in start.milestones},
        "chain": [
            {
                "name": link.name,
                "began_s": round(link.began, 6),
                "elapsed_ms": round((link.ended - link.began) * 1000, 3),
                "cost_ms": round(link.cost_s * 1000, 3),
                "ok": link.step.ok if link.step else None,
                "reason": link.step.reason if link.step else None,
                "attempts": link.step.attempts if link.step else None,
            }
            for link in start.chain
        ],
    }
