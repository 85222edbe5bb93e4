"""`interview-worker config`: every setting with its value and origin."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.cli.common import one_line_errors, print_json
from worker.cli.requirements import report_unknown_variables
from worker.cli.tables import printable
from worker.config.listing import GROUPS, ListedSetting, listed_settings
from worker.config.settings import Settings


def config(
    changed: Annotated[
        bool, typer.Option("--changed", help="Only settings that differ from their default.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every setting with its value and origin; secrets are masked.

    The origin is the environment, the file that INTERVIEW_ENV_FILE names, the file of a secret
    (DATABASE_URL_FILE), or the default.
    """
    with one_line_errors():
        report_unknown_variables()
        rows = listed_settings(Settings.load())
    if changed:
        rows = [row for row in rows if row.changed]
    if as_json:
        print_json([_as_data(row) for row in rows])
    elif rows:
        _print(rows)
    else:
        typer.echo("every setting has its default")


def _as_data(row: ListedSetting) -> dict[str, object]:
    return {
        "variable": row.variable,
        "value": row.value,
        "origin": row.origin,
        "help": row.description,
        "group": row.group,
        "default": row.default,
        "changed": row.changed,
    }


def _print(rows: list[ListedSetting]) -> None:
    """Print the settings by group. Only the column of values and descriptions is wrapped."""
    console = Console()
    width = max(len(row.variable) for row in rows)
    for group in GROUPS:
        inside = [row for row in rows if row.group == group]
        if not inside:
            continue
        console.print(Text(group, style="bold"))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True, min_width=width)
        table.add_column(overflow="fold")
        for row in inside:
            table.add_row(Text(row.variable), _cell(row))
        console.print(table)
        console.print()


def _cell(row: ListedSetting) -> Text:
    """Return the value and the origin of a setting, and below them its description."""
    cell = Text(f"{printable(row.value) or '(empty)'}  ({row.origin})")
    cell.append(f"\n{printable(row.description)}", style="dim")
    return cell
