"""`interview-worker resources`: the resources of an interview, and the effect of each loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker.cli.common import one_line_errors, print_json
from worker.cli.tables import add_row
from worker.clips.recordings import clip_named
from worker.config.settings import Settings
from worker.journal import resilient

if TYPE_CHECKING:
    from worker.resources.resource import Consequence


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
    """Return the table of one resource: its name, kind and budget, then the effects of its loss."""
    needs = f", after {', '.join(row['needs'])}" if row["needs"] else ""
    kind = "required" if row["required"] else "optional"
    block = Table(box=None, pad_edge=False, show_header=False)
    add_row(block, row["name"], f"{kind}, {row['budget_s']:g} s{needs}")
    add_row(block, "  without it", row["loss"])
    if row["noticed"]:
        add_row(block, "  candidate notices", row["noticed"])
    if row["told"] is not None:
        add_row(block, "  announcement", row["told"])
    return block


def resource_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return the table of resources as data.

    For a required resource, `budget_s` is the time budget of the state BOOTSTRAPPING.
    """
    # Import here and not at the top: the imports include livekit-agents and take seconds, which
    # other commands must not take.
    from worker.interview.resources import interview_resources
    from worker.resources.consequences import JOURNAL_CONSEQUENCE, JOURNAL_LOSS

    rows = [
        _row(
            resource.name,
            resource.loss,
            resource.consequence,
            required=resource.required,
            budget_s=settings.budget_bootstrapping_s if resource.required else resource.budget_s,
            needs=list(resource.needs),
        )
        for resource in interview_resources(settings, None)
    ]
    # The journal has no loader, because it is opened before the job starts.
    journal = _row(
        resilient.RESOURCE,
        JOURNAL_LOSS,
        JOURNAL_CONSEQUENCE,
        required=False,
        budget_s=resilient.SYNC_WITHIN_S,
        needs=[],
    )
    return [*rows, journal]


def _row(name: str, loss: str, consequence: Consequence, **facts: Any) -> dict[str, Any]:
    told = consequence.told
    return {
        "name": name,
        **facts,
        "loss": loss,
        "noticed": consequence.noticed,
        # The text with which a recorded clip announces the loss to the candidate.
        "told": clip_named(told).text if told is not None else None,
    }
