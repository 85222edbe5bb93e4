"""`interview-worker doctor`: check a deployment before it serves interviews."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.cli.common import ExitCode, one_line_errors, print_json
from worker.cli.tables import printable
from worker.config.settings import Settings
from worker.config.unknown import unknown_variables
from worker.env.group import SettingsInvalid
from worker.env.surroundings import ensure_home, unknown_home

if TYPE_CHECKING:
    from worker.doctor.runner import Result

_MARKS = {
    "ok": ("ok", "green"),
    "warning": ("warn", "yellow"),
    "wrong": ("WRONG", "bold red"),
    "skipped": ("skip", "dim"),
}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also for warnings.")] = False,
) -> None:
    """Check everything that a worker needs, from LiveKit to the disk, and print what to do.

    The command creates a temporary room and sends a sound through it. The command sends each cloud
    provider of the fallback chains the smallest request that the provider bills. The exit code is 0
    if nothing is wrong, and 1 otherwise.
    """
    with one_line_errors():
        rows = _settings_rows() or _rows()
    verdicts = [row["verdict"] for row in rows]
    well = "wrong" not in verdicts and not (strict and "warning" in verdicts)
    if as_json:
        print_json({"well": well, "checks": rows})
    else:
        _print(rows)
    _leave(ExitCode.OK if well else ExitCode.FAILED)


def _rows() -> list[dict[str, Any]]:
    # Turn logging off, because libraries would log the failures that the checks report.
    logging.disable(logging.CRITICAL)
    try:
        with one_line_errors():
            return [result.as_data() for result in asyncio.run(_examine())]
    except typer.Exit as error:
        _leave(error.exit_code)


def _leave(code: int) -> NoReturn:
    from worker.doctor.context import still_blocked

    if still_blocked():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise typer.Exit(code)


def _settings_rows() -> list[dict[str, Any]] | None:
    """Return one row for each invalid setting and unknown variable; None if settings are valid."""
    try:
        Settings.load()
    except SettingsInvalid as error:
        advice = "correct it and run doctor again: the other checks need valid settings"
        return [
            *(_settings_row("wrong", problem, advice) for problem in error.problems),
            *(
                _settings_row(
                    "warning", f"{each.name} is not a setting and has no effect", each.advice
                )
                for each in unknown_variables()
            ),
        ]
    return None


def _settings_row(verdict: str, found: str, advice: str) -> dict[str, Any]:
    return {
        "check": "settings",
        "what": "invalid settings" if verdict == "wrong" else "unknown variables",
        "verdict": verdict,
        "found": found,
        "advice": advice,
        "seconds": 0.0,
        "facts": {},
    }


async def _examine() -> list[Result]:
    # Import here and not at the top: the imports take seconds, which --help must not take.
    from worker.doctor.context import CheckContext
    from worker.doctor.registry import checks_of
    from worker.doctor.runner import prepare, run_checks

    settings = Settings.load()
    if unknown_home(settings.data_dir) is None:
        ensure_home(settings.data_dir)
    prepare(settings)
    async with CheckContext(settings) as visit:
        return await run_checks(visit, checks_of(settings))


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        mark, style = _MARKS[row["verdict"]]
        line = Text(printable(row["found"]), style="dim" if row["verdict"] == "skipped" else "")
        if row["advice"]:
            line.append(f"\n-> {printable(row['advice'])}", style=style)
        table.add_row(Text(mark, style=style), row["check"], line)
    console = Console()
    console.print(table)
    counts = {name: sum(row["verdict"] == name for row in rows) for name in _MARKS}
    told = [f"{count} {name}" for name, count in counts.items() if count]
    console.print(f"\n{', '.join(told)}", highlight=False)
