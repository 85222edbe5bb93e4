"""Hold real interviews under seeded random faults, and check that nothing was lost.

`python -m tests.chaos -n 20 --seed 7`, as `make chaos` does.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import signal
import sys
import time
from pathlib import Path

from tests.chaos import report
from tests.chaos.run import RoundResult, Run
from tests.chaos.schedule import Round, draw
from tests.chaos.verdict import Limits
from tests.chaos.world import running_world
from worker.simulation.livekit_binary import LiveKitServerUnavailable, find_or_build
from worker.speech import local_models


def main() -> int:
    """Run; return the exit code: 0 no violation, 1 violations, 2 cannot run, 130 interrupted."""
    options = _options()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    print(f"seed {seed}, {options.n} faults", flush=True)
    rounds = draw(seed, options.n)
    if options.dry_run:
        for number, faults in enumerate(rounds, start=1):
            print(f"round {number}")
            for fault in faults:
                print(f"  {fault}: {fault.kind.what}")
        return 0
    folder = options.folder or Path(f"chaos-{seed}-{time.strftime('%Y%m%d-%H%M%S')}")
    folder.mkdir(parents=True, exist_ok=True)
    limits = Limits(silence_s=options.silence_s)
    # The SDK logs every reconnection; the test servers and the store log every cut connection.
    for name in ("livekit", "aiohttp", "worker.store"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        violated = asyncio.run(_run(seed, rounds, folder.resolve(), limits))
    except LiveKitServerUnavailable as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    return 1 if violated else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("-n", type=int, default=20, help="number of faults (default 20)")
    parser.add_argument("--seed", type=int, help="seed of an earlier run, to repeat its faults")
    parser.add_argument("--dry-run", action="store_true", help="print the faults and exit")
    parser.add_argument("--folder", type=Path, help="folder of the report, recordings and journals")
    parser.add_argument(
        "--silence-s",
        type=float,
        default=Limits().silence_s,
        help="longest allowed silence, in seconds",
    )
    return parser.parse_args()


async def _run(seed: int, rounds: tuple[Round, ...], folder: Path, limits: Limits) -> bool:
    """Run all rounds; return whether there were violations.

    An interrupted run reports its results so far.
    """
    task = asyncio.current_task()
    assert task is not None
    # SIGTERM ends the processes and removes the mounts, as Ctrl-C does.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    binary = await find_or_build(_tell)
    # Load the models now: during a round it would delay the candidates' audio.
    local_models.preload(stt=True, tts=True)
    results: list[RoundResult] = []
    left: list[str] = []
    began_s = time.monotonic()
    try:
        async with running_world(binary) as world:
            _tell("LiveKit, PostgreSQL and three workers are up")
            run = Run(world, seed=seed, folder=folder, limits=limits)
            for number, faults in enumerate(rounds, start=1):
                results.append(await run.round(number, faults))
                _tell_round(results[-1], len(rounds), time.monotonic() - began_s)
                report.write(folder / "report.json", report.summary(seed, results), results)
            left = await world.end()
            if left or any(result.verdict.violations for result in results):
                for machine in world.machines:
                    machine.keep_logs(folder)
    finally:
        figures = report.summary(seed, results, left)
        report.write(folder / "report.json", figures, results)
        print(report.table(figures))
        print(f"report, and recordings of violations: {folder}")
    return bool(figures["violations"])


def _tell(line: str) -> None:
    print(line, flush=True)


def _tell_round(result: RoundResult, rounds: int, after_s: float) -> None:
    number = result.evidence.number
    ends = ", ".join(result.verdict.ends)
    _tell(f"{after_s:6.0f} s  round {number} of {rounds}: {ends}")
    began_s = result.evidence.interviews[0].diary.began_s
    for struck in sorted(result.evidence.struck, key=lambda each: each.span.start_s):
        _tell(report.strike_line(struck, began_s))
    for each in result.verdict.violations:
        _tell(report.violation_line(vars(each) | {"round": number}))


if __name__ == "__main__":
    sys.exit(main())
