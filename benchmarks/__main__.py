"""`python -m benchmarks [micro|startup|prepared|scrape|resilience] [--rounds N] [--json FILE]`.

`python -m benchmarks fleet --help` describes a benchmark with options of its own, which is not part
of the default, because it takes 20 minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import fleet, micro, prepared_speech, resilience, scrape, startup
from benchmarks.figures import Figure, print_table
from worker.simulation.livekit_server import find_or_build

_ALL = ["micro", "prepared", "scrape", "startup", "resilience"]


def main() -> None:
    """Measure, print the tables, and write the samples to a file if requested."""
    if sys.argv[1:2] == ["fleet"]:
        fleet.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=_ALL,
        help="default: all",
    )
    parser.add_argument(
        "--rounds", type=int, default=7, help="startup: measured jobs per worker (default 7)"
    )
    parser.add_argument("--json", type=Path, help="write every sample into this file")
    arguments = parser.parse_args()
    console = Console(width=140)
    wanted = [arguments.what] if arguments.what else _ALL
    figures: list[Figure] = []
    if "micro" in wanted:
        figures += asyncio.run(micro.run())
        print_table("One transition, one record", figures, console)
    if "prepared" in wanted:
        spoken = asyncio.run(prepared_speech.run())
        print_table("From a question to its first audio", spoken, console)
        figures += spoken
    if "scrape" in wanted:
        scraped = asyncio.run(scrape.run())
        print_table("Cost of monitoring", scraped, console)
        figures += scraped
    if "startup" in wanted:
        measured = asyncio.run(_startup(arguments.rounds, console))
        print_table("From the dispatch to the first word", measured, console)
        figures += measured
    if "resilience" in wanted:
        survived = asyncio.run(_resilience(console))
        print_table("A loss in the middle of a turn", survived, console)
        figures += survived
    if arguments.json:
        records = [figure.as_record() for figure in figures]
        arguments.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


async def _startup(rounds: int, console: Console) -> list[Figure]:
    binary = await find_or_build(lambda line: console.print(line, style="dim"))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return await startup.run(binary, Path(folder), rounds)


async def _resilience(console: Console) -> list[Figure]:
    def progress(line: str) -> None:
        console.print(line, style="dim")

    binary = await find_or_build(progress)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return await resilience.run(binary, Path(folder), progress)


if __name__ == "__main__":
    main()
