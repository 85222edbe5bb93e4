"""The rounds of `make fuzz`, with a pytest that only says what it would have found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fuzz.__main__ import Findings, fuzz

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FAILS = "tests/fuzz/test_plans.py::test_a"


class Pytest:
    """Ends each run with one exit code and output, and then with another."""

    def __init__(self, *ends: tuple[int, str]) -> None:
        self._ends = [*ends]
        self.runs: list[tuple[int, tuple[str, ...]]] = []

    def run(self, seed: int, left_out: Sequence[str]) -> tuple[int, str]:
        self.runs.append((seed, tuple(left_out)))
        return self._ends.pop(0) if len(self._ends) > 1 else self._ends[0]


def rounds(pytest: Pytest, folder: Path, *, minutes: float = 0.0) -> tuple[int, Findings]:
    findings = Findings(folder)
    until = time.monotonic() + 60 * minutes
    code = fuzz(pytest.run, findings, seed=7, until=until, examples=500)
    return code, findings


def test_one_round_is_run_even_without_time(tmp_path: Path) -> None:
    pytest = Pytest((0, "30 passed"))
    code, findings = rounds(pytest, tmp_path / "found")
    assert (code, findings.kept, pytest.runs) == (0, {}, [(7, ())])
    assert not (tmp_path / "found").exists()


def test_a_failed_test_is_kept_with_its_seed_and_left_out_of_the_next_rounds(
    tmp_path: Path,
) -> None:
    pytest = Pytest((1, f"Falsifying example: x\nFAILED {FAILS} - Error"), (5, "no tests ran"))
    code, findings = rounds(pytest, tmp_path / "found", minutes=60)
    assert code == 1
    assert pytest.runs == [(7, ()), (8, (FAILS,))]
    kept = findings.kept[FAILS].read_text()
    assert "FUZZ_EXAMPLES=500" in kept
    assert f"--hypothesis-seed=7 '{FAILS}'" in kept
    assert "Falsifying example: x" in kept


def test_tests_that_cannot_be_run_are_an_error(tmp_path: Path) -> None:
    assert rounds(Pytest((2, "an error while collecting")), tmp_path, minutes=60)[0] == 2
