"""`interview-worker resources`: the resources of an interview, and the effect of each loss."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker.cli.common import one_line_errors, print_json
from worker.cli.tables import add_row
from worker.clips.recordings import clip_named
from worker.config.settings import Settings
from worker.journal import resilient
from worker.resources.consequences import LOSSES


def resources(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print each resource of an interview: required or optional, budget, and effect of its loss."""
    with one_line_errors():
        settings = Settings.load()
    rows = resource_rows(settings)
    if as_json:
        print_json(rows)
        return
    console = Console()
    for row in rows:
        console.print(_block(row))


def _block(row: dict[str, Any]) -> Table:
    """Return the table of one resource: a row of facts, then rows of sentences."""
    needs = f", after {', '.join(row['needs'])}" if row["needs"] else ""
    kind = "required" if row["required"] else "optional"
    block = Table(box=None, pad_edge=False, show_header=False)
    add_row(block, row["name"], f"{kind}, {row['budget_s']:g} s{needs}")
    add_row(block, "  without it", row["loss"])
    add_row(block, "  candidate notices", row["noticed"])
    if row["told"] is not None:
        add_row(block, "  announcement", row["told"])
    return block


def resource_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return the table of resources as data.

    The budget of a required resource is the budget of the state BOOTSTRAPPING.
    """
    # This import takes seconds, because it includes livekit-agents. Other commands do not need it.
    from worker.interview.application import interview_resources

    rows = [
        _row(
            resource.name,
            required=resource.required,
            budget_s=settings.budget_bootstrapping_s if resource.required else resource.budget_s,
            needs=list(resource.needs),
        )
        for resource in interview_resources(settings, None)
    ]
    # The journal has no loader, because it is opened before the job starts.
    return [
        *rows,
        _row(resilient.RESOURCE, required=False, budget_s=resilient.SYNC_WITHIN_S, needs=[]),
    ]


def _row(name: str, **facts: Any) -> dict[str, Any]:
    loss = LOSSES[name]
    return {
        "name": name,
        **facts,
        "loss": loss.means,
        "noticed": loss.noticed,
        "told": _told(name),
    }


def _told(name: str) -> str | None:
    """Return the text that announces a loss to the candidate; None if no text announces it."""
    told = LOSSES[name].told
    return clip_named(told).text if told is not None else None
