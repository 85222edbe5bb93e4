"""Figures of the fleet benchmark: kept renewals, and one row of the result table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


class RenewalGaps:
    """Counts the renewals that workers have kept and missed, from the time between successes.

    A renewal is due every `every_s` seconds. If two successes are further apart, as many renewals
    are missed as whole periods fit in between. A gap of less than two periods misses none, because
    each worker varies its period.

    Args:
        every_s: Seconds between two renewals of a worker.
        now: Returns the monotonic time in seconds.
    """

    def __init__(self, every_s: float, now: Callable[[], float]) -> None:
        self._every_s = every_s
        self._now = now
        self._last: dict[str, float] = {}
        self._kept = 0
        self._missed = 0
        self._longest_s = 0.0

    def begin(self, worker_id: str) -> None:
        """Expect renewals of a worker from now on."""
        self._last.setdefault(worker_id, self._now())

    def renewed(self, worker_id: str) -> None:
        """Count a successful renewal."""
        self._kept += 1
        self._passed(worker_id)

    def reset(self) -> None:
        """Count from zero again."""
        self._kept = self._missed = 0
        self._longest_s = 0.0
        self._last = dict.fromkeys(self._last, self._now())

    def report(self) -> Gaps:
        """Return the counts since `reset`, including the time since each worker's last success."""
        for worker_id in self._last:
            self._passed(worker_id)
        return Gaps(kept=self._kept, missed=self._missed, longest_s=self._longest_s)

    def _passed(self, worker_id: str) -> None:
        now = self._now()
        gap_s = now - self._last.get(worker_id, now)
        self._last[worker_id] = now
        self._missed += max(0, math.floor(gap_s / self._every_s) - 1)
        self._longest_s = max(self._longest_s, gap_s)


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """Renewals of several workers, and the longest time in seconds between two of one worker."""

    kept: int
    missed: int
    longest_s: float

    @property
    def share(self) -> float:
        """Kept renewals as a share of the renewals that were due; 0 if none was due."""
        due = self.kept + self.missed
        return self.kept / due if due else 0.0

    @classmethod
    def sum_of(cls, reports: Iterable[Mapping[str, Any]]) -> Gaps:
        """Return the sum of the reports of several processes."""
        all_of = list(reports)
        return cls(
            kept=sum(each["kept"] for each in all_of),
            missed=sum(each["missed"] for each in all_of),
            longest_s=max((each["longest_s"] for each in all_of), default=0.0),
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a scenario measured."""

    #: The figure in a few words, with its unit.
    figure: str
    #: True if the goal was reached.
    passed: bool
    #: Everything else that helps to judge the figure, for `--json`.
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the result table."""

    name: str
    what: str
    #: The figure of the code before leases had a table of their own.
    before: str
    goal: str
    measured: Measured

    def as_record(self) -> dict[str, Any]:
        """Return the data for `--json`."""
        return {
            "name": self.name,
            "what": self.what,
            "before": self.before,
            "goal": self.goal,
            "measured": self.measured.figure,
            "passed": self.measured.passed,
            **self.measured.details,
        }


def print_rows(rows: Iterable[Row], console: Console) -> None:
    """Print one line per row."""
    title = "Leases and redispatch of a fleet"
    table = Table("what", "before", "goal", "measured", "", title=title, box=None)
    for row in rows:
        table.add_row(
            row.what,
            row.before,
            row.goal,
            row.measured.figure,
            "pass" if row.measured.passed else "MISS",
        )
    console.print(table)
