"""`interview-worker config`: every setting with its value and origin."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from worker.cli.common import one_line_errors, print_json
from worker.cli.tables import add_row
from worker.config.settings import Settings, origin_of, shown, variable_of


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every setting with its value and origin; secrets are masked."""
    with one_line_errors():
        settings = Settings.load()
    rows = [
        {
            "variable": variable_of(name),
            "value": shown(getattr(settings, name)),
            "origin": origin_of(name),
            "help": field.description or "",
        }
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("setting", "value", "origin", "description", box=None, pad_edge=False)
    for row in rows:
        add_row(table, *(row[key] for key in ("variable", "value", "origin", "help")))
    Console().print(table)
