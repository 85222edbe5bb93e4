"""`interview-worker config`: every setting with its value and origin."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from worker.cli.common import one_line_errors, print_json
from worker.cli.tables import add_row
from worker.config.settings import Settings, origin_of, shown, variable_of
from worker.providers.settings_group import help_texts


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every setting with its value and origin; secrets are masked."""
    with one_line_errors():
        settings = Settings.load()
    helps = help_texts(Settings)
    rows = [
        {
            "variable": variable_of(name),
            "value": shown(getattr(settings, name)),
            "origin": origin_of(name),
            "help": helps[name],
        }
        for name in Settings.model_fields
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("setting", "value", "origin", "description", box=None, pad_edge=False)
    for row in rows:
        add_row(table, *(row[key] for key in ("variable", "value", "origin", "help")))
    Console().print(table)
