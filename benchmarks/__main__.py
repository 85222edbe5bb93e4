"""`python -m benchmarks [micro|startup|prepared|scrape|resilience] [--rounds N] [--json FILE]`.

Two benchmarks are not part of the default, because they take twelve minutes and more: `python -m
benchmarks neighbours`, and `python -m benchmarks fleet`, whose --help describes options of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import fleet, micro, neighbours, prepared_speech, resilience, scrape, startup
from benchmarks.figures import Figure, print_table
from tests.support.live.priority import prefer_this_process
from worker.simulation.livekit_server import LiveKitServer, find_or_build

_ALL = ["micro", "prepared", "scrape", "startup", "resilience"]
_NEIGHBOURS = "neighbours"


def main() -> None:
    """Measure, print the tables, and write the samples to a file if requested."""
    if sys.argv[1:2] == ["fleet"]:
        fleet.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=[*_ALL, _NEIGHBOURS],
        help="default: all but neighbours",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help="startup: measured jobs per worker (default 7); neighbours: most rounds (default 3)",
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
        measured = asyncio.run(_startup(arguments.rounds or 7, console))
        print_table("From the dispatch to the first word", measured, console)
        figures += measured
    if "resilience" in wanted:
        survived = asyncio.run(_resilience(console))
        print_table("A loss in the middle of a turn", survived, console)
        figures += survived
    if _NEIGHBOURS in wanted:
        beside = asyncio.run(_neighbours(arguments.rounds or 3, console))
        print_table("Beside a candidate who attacks", beside, console)
        figures += beside
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


async def _neighbours(rounds: int, console: Console) -> list[Figure]:
    def progress(line: str) -> None:
        console.print(line, style="dim")

    # Candidates and the server have priority over the worker, as in the tests.
    prefer_this_process()
    async with LiveKitServer(await find_or_build(progress)) as server:
        return await neighbours.run(server, rounds, progress)


if __name__ == "__main__":
    main()
