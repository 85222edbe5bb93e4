"""Samples of one measurement, and the table that compares measurements."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measurement: quantity, measured implementation, unit, and samples."""

    what: str
    who: str
    unit: str
    samples: Sequence[float]
    #: Upper limit of the figure, if there is a target.
    target: float | None = None

    @property
    def median(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)

    def as_record(self) -> dict[str, Any]:
        """Return the data for `--json`."""
        return {
            "what": self.what,
            "who": self.who,
            "unit": self.unit,
            "median": self.median,
            "min": min(self.samples),
            "max": max(self.samples),
            "samples": list(self.samples),
            "target": self.target,
        }


def print_table(title: str, figures: Sequence[Figure], console: Console) -> None:
    """Print one line per measurement.

    The column `ratio` is the median divided by that of the first measurement of the same `what`.
    """
    table = Table("what", "who", "median", "min", "max", "ratio", "target", title=title, box=None)
    first: dict[str, float] = {}
    for figure in figures:
        base = first.setdefault(figure.what, figure.median)
        table.add_row(
            figure.what,
            figure.who,
            f"{figure.median:.4g} {figure.unit}",
            f"{min(figure.samples):.4g}",
            f"{max(figure.samples):.4g}",
            f"{figure.median / base:.2f}" if base else "",
            f"< {figure.target:g}" if figure.target is not None else "",
        )
    console.print(table)
