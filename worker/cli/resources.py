"""`interview-worker resources`: what an interview needs, and what each loss means."""

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
    """Print the table of resources: required or not, budget, and what its loss means."""
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
    """One resource: its name and facts, then sentences that have the whole width."""
    needs = f", after {', '.join(row['needs'])}" if row["needs"] else ""
    kind = "required" if row["required"] else "optional"
    block = Table(box=None, pad_edge=False, show_header=False)
    add_row(block, row["name"], f"{kind}, {row['budget_s']:g} s{needs}")
    add_row(block, "  without it", row["loss"])
    add_row(block, "  is noticed", row["noticed"])
    if row["told"] is not None:
        add_row(block, "  is told", row["told"])
    return block


def resource_rows(settings: Settings) -> list[dict[str, Any]]:
    """The table, as data. A required resource's budget is that of BOOTSTRAPPING."""
    # Not at the top: it imports livekit's agents, for seconds, and so would every other command.
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
    # Nothing loads it: it is there before the job is, or is not.
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
    """The words that announce a loss to the candidate, where it is announced."""
    told = LOSSES[name].told
    return clip_named(told).text if told is not None else None
