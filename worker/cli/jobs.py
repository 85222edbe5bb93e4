"""`interview-worker jobs`: list jobs, show a job state by state, and store journals again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from states import History
from worker.cli.common import (
    DEFAULT_LIMIT,
    CommandError,
    ExitCode,
    Limit,
    cut_to,
    print_json,
    run,
)
from worker.cli.databases import database
from worker.cli.errors import report
from worker.cli.help_texts import examples
from worker.cli.tables import add_row, print_list, printable
from worker.config.settings import Settings
from worker.operations import jobs as operations
from worker.store.jobs import list_jobs

app = typer.Typer(
    no_args_is_help=True,
    help="List jobs, show one, or store journals again. Jobs are stored in the database of "
    "DATABASE_URL or, if it is not set, in the embedded database in INTERVIEW_DATA_DIR, which a "
    "worker uses only with INTERVIEW_EMBEDDED=1.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", epilog=examples("jobs list"))
def list_(
    interview: Annotated[str | None, typer.Option(help="Only the jobs of this interview.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    rows = run(_list(interview, limit))
    if as_json:
        print_json(rows)
        return
    keys = ("job_id", "interview_id", "state", "outcome", "reason", "exit_code")
    print_list(
        ("job", "interview", "state", "outcome", "reason", "exit"),
        [tuple(row[key] for key in keys) for row in rows],
    )


async def _list(interview: str | None, limit: int) -> list[dict[str, Any]]:
    async with database(Settings.load()) as db:
        found = await list_jobs(db, interview, limit=limit + 1)
    return [vars(job) for job in cut_to(found, limit)]


@app.command("show", epilog=examples("jobs show"))
def show(
    job: Annotated[str, typer.Argument(help="The job's id, or the path of a journal.")],
    as_json: Json = False,
) -> None:
    """Show one job: its states with times, its steps, its conditions and its outcome."""
    history = run(history_of(job))
    if as_json:
        print_json(history.as_json())
    else:
        print_history(history)


@app.command("ship", epilog=examples("jobs ship"))
def ship_(
    journals: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Journals to store; default: all ingested or damaged journals of this machine."
        ),
    ] = None,
) -> None:
    """Store journals again, for example after the database was restored from a backup.

    Records that are already in the database are not changed. By default, journals that were not
    stored yet are skipped, because the worker stores such journals.
    """
    read, new, bad = run(_ship_again(journals))
    print(f"{read} journals read, {new} records were not in the database")
    if bad:
        raise CommandError(f"{bad} journals could not be read or stored", ExitCode.FAILED)


async def _ship_again(journals: list[Path] | None) -> tuple[int, int, int]:
    """Return the numbers of journals read, of new records, and of journals that failed."""
    settings = Settings.load()
    chosen = journals or operations.kept_journals(settings)
    bad = 0

    def on_error(error: Exception) -> None:
        nonlocal bad
        bad += 1
        report(str(error))

    async with database(settings) as db:
        new = await operations.ingest(db, chosen, on_error=on_error)
    return len(chosen) - bad, new, bad


async def history_of(job: str) -> History:
    """Return the history of a job, from a journal on this machine or from the database.

    `job` is the id of the job, or the path of a journal. Raises JobNotFound if neither this machine
    nor the database has the job.
    """
    return await operations.find_history(Settings.load(), job, database)


def print_history(history: History, console: Console | None = None) -> None:
    """Print a job's history as tables."""
    console = console or Console()
    header = history.header
    # Print the ids without markup, because a journal may be any file and its ids may contain
    # brackets.
    ids = f"job {header.get('job_id')}  interview {header.get('interview_id')}"
    console.print(printable(ids), markup=False)
    console.print(
        f"{history.state}  outcome {history.outcome}  reason {history.reason}  "
        f"exit code {history.exit_code}"
    )
    states = _titled("states", "state", "entered", "for", "on")
    for (state, entered, spent), transition in zip(
        history.stays(), history.transitions, strict=True
    ):
        duration = f"{spent:.3f} s" if spent is not None else ""
        add_row(states, state, f"{entered:.3f} s", duration, transition.event or "")
    console.print(states)
    steps = _titled("steps", "step", "result", "took", "tries")
    for step in history.steps:
        add_row(
            steps,
            step.name,
            step.reason,
            f"{step.elapsed_ms:.0f} ms",
            str(step.attempts),
            style="" if step.ok else "red",
        )
    console.print(steps)
    conditions = _titled("conditions", "resource", "status", "reason", "since")
    for condition in history.conditions:
        add_row(
            conditions,
            condition.resource,
            condition.status,
            condition.reason,
            f"{condition.since:.3f} s",
        )
    console.print(conditions)


def _titled(title: str, *heads: str) -> Table:
    return Table(*heads, box=None, title=title, title_justify="left")
