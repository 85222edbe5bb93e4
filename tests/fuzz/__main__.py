"""Run the fuzz tests with many examples until the time is over, and keep what fails.

`python -m tests.fuzz --minutes 60 --seed 7`, as `make fuzz` does. Each round runs all tests with
one seed and FUZZ_EXAMPLES examples. A test that fails is kept with how to reproduce it, and is left
out of the later rounds.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.budget import EXAMPLES_VARIABLE
from tests.support.paths import REPOSITORY

#: Examples of each test in a round. A round then takes some minutes.
_EXAMPLES: Final = 500
#: Exit codes of pytest: all passed, some failed, and none was left to run. Any other means that the
#: tests could not be run.
_PASSED, _FAILED, _NO_TESTS = 0, 1, 5
#: A failed test in the summary of pytest.
_SUMMARY: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)

#: Function that runs the tests with a seed, without the tests named; returns pytest's exit code and
#: output.
Runner = Callable[[int, Sequence[str]], tuple[int, str]]


@dataclass
class Findings:
    """What has failed so far: the name of each test, with the file in which it is kept."""

    folder: Path
    kept: dict[str, Path] = field(default_factory=dict)

    def keep(self, test: str, seed: int, examples: int, output: str) -> Path:
        """Write a failed test into the folder, with how to reproduce it; return the file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "-", test.removeprefix("tests/fuzz/"))
        path = self.folder / f"{name}-{seed}.txt"
        command = (
            f"{EXAMPLES_VARIABLE}={examples} {sys.executable} -m pytest -p no:randomly"
            f" --hypothesis-seed={seed} '{test}'"
        )
        lines = (
            "To reproduce it, in the repository:",
            f"    {command}",
            "The falsifying example is below. Hypothesis keeps it in .hypothesis too, and tries it",
            "first in every later run. `@reproduce_failure` below repeats it anywhere.",
            "Write the repair with a test of its own, beside the test of the module.",
        )
        path.write_text("\n".join(lines) + f"\n\n{output}", encoding="utf-8")
        self.kept[test] = path
        return path


def fuzz(run: Runner, findings: Findings, *, seed: int, until: float, examples: int) -> int:
    """Run rounds until the monotonic time `until`, at least one.

    Return 0 if nothing failed, 1 if a test failed, and 2 if the tests could not be run.
    """
    number = 0
    while number == 0 or time.monotonic() < until:
        code, output = run(seed + number, tuple(findings.kept))
        if code == _NO_TESTS and findings.kept:
            break
        place = f"round {number + 1} (seed {seed + number})"
        if code not in (_PASSED, _FAILED):
            print(f"{output}\n{place}: pytest ended with {code}", flush=True)
            return 2
        failed = _SUMMARY.findall(output) if code == _FAILED else []
        print(f"{place}: {len(failed)} failed", flush=True)
        for test in failed:
            path = findings.keep(test, seed + number, examples, output)
            print(f"  {test}\n    {path}", flush=True)
        number += 1
    return 1 if findings.kept else 0


def _runner(examples: int) -> Runner:
    """Return a function that runs the tests in a process of its own."""
    # Without CI, whose profile of Hypothesis would try the same examples in every round.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment[EXAMPLES_VARIABLE] = str(examples)

    def run(seed: int, left_out: Sequence[str]) -> tuple[int, str]:
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-n", "logical", "-p", "no:randomly"),
            *(f"--hypothesis-seed={seed}", "tests/fuzz"),
            *(f"--deselect={test}" for test in left_out),
        ]
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return done.returncode, done.stdout

    return run


def main() -> int:
    """Run; return the exit code of `fuzz`, or 130 after Ctrl-C."""
    options = _options()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    print(f"seed {seed}, {options.examples} examples a test and round", flush=True)
    started = time.strftime("%Y%m%d-%H%M%S")
    findings = Findings(options.folder or REPOSITORY / f"fuzz-{seed}-{started}")
    try:
        return fuzz(
            _runner(options.examples),
            findings,
            seed=seed,
            until=time.monotonic() + 60 * options.minutes,
            examples=options.examples,
        )
    except KeyboardInterrupt:
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", type=int, help="seed of the first round, to repeat a run")
    parser.add_argument(
        "--examples", type=int, default=_EXAMPLES, help=f"for each test (default {_EXAMPLES})"
    )
    parser.add_argument("--folder", type=Path, help="folder for what fails")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
