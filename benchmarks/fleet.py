"""`python -m benchmarks fleet`: what a fleet of workers asks of one PostgreSQL at a distance.

Workers and jobs run the real code of leases, heartbeats, redispatch and shipping, in a few
processes. The database is a real PostgreSQL behind a proxy process that adds a round trip. LiveKit
is a stand-in that answers each call after 20 ms. Without --database an embedded PostgreSQL is
started; its data folder is in memory if the system has room there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import fleet_database
from benchmarks.fleet_figures import Row, print_rows
from benchmarks.fleet_scenarios import SCENARIOS, conditions
from benchmarks.fleet_world import Options


def main(arguments: Sequence[str]) -> None:
    """Run the chosen scenarios, and print a row of each."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.scenario) - SCENARIOS.keys():
        parser.error(f"unknown scenario: {unknown.pop()} (known: {', '.join(SCENARIOS)})")
    options = Options(
        workers=chosen.workers,
        jobs=chosen.jobs,
        rtt_ms=chosen.rtt_ms,
        seconds=chosen.seconds,
        turns_per_minute=chosen.turns_per_minute,
        seed=chosen.seed,
        processes=chosen.processes,
    )
    asyncio.run(_run(chosen.scenario or list(SCENARIOS), chosen.database, options, chosen.json))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("scenario", nargs="*", help=f"{', '.join(SCENARIOS)}; default: all, about 20 minutes")
    add("--database", metavar="URL", help="your PostgreSQL; the role needs CREATEDB")
    add("--workers", type=int, help="number of workers")
    add("--jobs", type=int, help="jobs of each worker")
    add("--rtt-ms", type=float, help="round trip to the database in ms, of the far zone")
    add("--seconds", type=float, help="length of the measurement")
    add("--turns-per-minute", type=float, default=6.0, help="turns that each job ships (6)")
    add("--processes", type=int, default=2, help="processes that run the workers (2)")
    add("--seed", type=int, default=0, help="seed of everything that is drawn (0)")
    add("--json", type=Path, help="write the rows with all details into this file")
    return parser


async def _run(
    names: Sequence[str], database_url: str | None, options: Options, written: Path | None
) -> None:
    console = Console(width=180)
    rows: list[Row] = []
    async with fleet_database.server(database_url) as server_url:
        found = await conditions(server_url)
        console.print(", ".join(f"{name} {value}" for name, value in found.items()), style="dim")
        for name in names:
            console.print(f"{name}: {SCENARIOS[name].what} ...", style="dim")
            row = await SCENARIOS[name].measure(name, server_url, options)
            console.print(f"  {row.measured.figure}", style="dim")
            rows.append(row)
    print_rows(rows, console)
    if written is not None:
        report = {"server": found, "rows": [row.as_record() for row in rows]}
        text = json.dumps(report, indent=2) + "\n"
        await asyncio.to_thread(written.write_text, text, encoding="utf-8")
