"""`interview-worker resources`: what an interview needs, and what each loss means."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker.cli.common import one_line_errors, print_json
from worker.cli.tables import add_row
from worker.interview.application import interview_resources
from worker.settings import Settings


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
    table = Table("resource", "required", "budget", "needs", "without it", box=None, pad_edge=False)
    for row in rows:
        add_row(
            table,
            row["name"],
            "yes" if row["required"] else "no",
            f"{row['budget_s']:g} s",
            ", ".join(row["needs"]),
            row["loss"],
        )
    Console().print(table)


def resource_rows(settings: Settings) -> list[dict[str, Any]]:
    """The table, as data. A required resource's budget is that of BOOTSTRAPPING."""
    return [
        {
            "name": resource.name,
            "required": resource.required,
            "budget_s": settings.budget_bootstrapping_s if resource.required else resource.budget_s,
            "needs": list(resource.needs),
            "loss": resource.loss,
        }
        for resource in interview_resources(settings, None)
    ]
