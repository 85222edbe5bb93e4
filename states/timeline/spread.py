"""Statistics of many start-ups: the distribution of each step's duration, and the slowest step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from states.render.words import took
from states.timeline.chart import Panel, Row, Span
from states.timeline.startup import LATE, TARGET_S, Startup

#: Shortest time on the logarithmic axis, in seconds. Shorter times are not worth showing.
_LEAST_S = 0.001


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The distribution of one duration over several jobs, in seconds."""

    name: str
    jobs: int
    least: float
    median: float
    p95: float
    most: float
    #: For a step: the number of jobs whose critical chain contains the step.
    decided: int = 0
    #: For a step: the sum of the costs of the step in the critical chains of all jobs, in seconds.
    cost_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the data of `interview-worker blame --last --json`, in milliseconds."""
        return {
            "name": self.name,
            "jobs": self.jobs,
            **{
                f"{name}_ms": round(value * 1000, 3)
                for name, value in (
                    ("min", self.least),
                    ("median", self.median),
                    ("p95", self.p95),
                    ("max", self.most),
                    ("critical", self.cost_s),
                )
            },
            "critical_jobs": self.decided,
        }


class Spread:
    """Collects the durations of many start-ups."""

    def __init__(self) -> None:
        self._whole: list[float] = []
        self._took: dict[str, list[float]] = {}
        self._decided: dict[str, int] = {}
        self._cost: dict[str, float] = {}

    def add(self, start: Startup) -> None:
        """Add a start-up. Raises ValueError if the job did not reach RUNNING."""
        if not start.reached:
            raise ValueError("a job that never reached RUNNING has no start-up time")
        self._whole.append(start.ended)
        for step in start.steps:
            if not step.name.endswith(LATE):
                self._took.setdefault(step.name, []).append(step.elapsed_ms / 1000)
        for link in start.chain:
            if link.step is None:
                self._took.setdefault(link.name, []).append(link.ended - link.began)
            self._decided[link.name] = self._decided.get(link.name, 0) + 1
            self._cost[link.name] = self._cost.get(link.name, 0.0) + link.cost_s

    @property
    def jobs(self) -> int:
        """The number of start-ups that were added."""
        return len(self._whole)

    @property
    def whole(self) -> Figures:
        """The distribution of the time from a job's receipt to RUNNING.

        Raises ValueError if no start-up was added.
        """
        return _figures("init_done", self._whole)

    @property
    def in_time(self) -> int:
        """The number of start-ups that took at most `TARGET_S` seconds."""
        return sum(seconds <= TARGET_S for seconds in self._whole)

    @property
    def steps(self) -> tuple[Figures, ...]:
        """All steps, in descending order of the seconds that each step added to all start-ups."""
        found = [
            _figures(name, took, self._decided.get(name, 0), self._cost.get(name, 0.0))
            for name, took in self._took.items()
        ]
        return tuple(sorted(found, key=lambda step: (-step.cost_s, -step.median, step.name)))

    def verdict(self) -> tuple[str, ...]:
        """Return sentences: how many start-ups were within the target, and the slowest step."""
        whole = self.whole
        lines = [
            f"RUNNING after {took(whole.median)} (median), {took(whole.p95)} (95th percentile), "
            f"{took(whole.most)} (longest): {self.in_time} of {self.jobs} within {took(TARGET_S)}."
        ]
        if self.steps and self.steps[0].cost_s > 0 and sum(self._whole) > 0:
            step = self.steps[0]
            part = 100 * step.cost_s / sum(self._whole)
            lines.append(
                f"Slowest: {step.name}, with {part:.0f} % of the total time; "
                f"critical in {step.decided} of {self.jobs} start-ups."
            )
        return tuple(lines)

    def as_json(self, passed_over: Mapping[str, int]) -> dict[str, Any]:
        """Return the data of `interview-worker blame --last --json`."""
        return {
            "jobs": self.jobs,
            "passed_over": dict(passed_over),
            "within_target": self.in_time,
            "target_ms": round(TARGET_S * 1000),
            "init_done": self.whole.as_json(),
            "steps": [step.as_json() for step in self.steps],
        }


def spread_panel(spread: Spread, *, note: str = "") -> Panel:
    """Return the panel that shows the distribution of each step on a logarithmic axis."""
    whole, steps = spread.whole, spread.steps
    verdict = spread.verdict()
    words = [(verdict[0], "text"), *((text, "strong") for text in verdict[1:])]
    longest = max(TARGET_S * 1.25, whole.most, *(step.most for step in steps))
    several = "" if spread.jobs == 1 else "s"
    return Panel(
        title=f"The newest {spread.jobs} start-up{several}",
        words=(*words, *([(note, "muted")] if note else [])),
        start=_LEAST_S,
        end=longest * 1.1,
        log=True,
        groups=(
            (_row(whole, "bar-soft", name_css="strong"),),
            tuple(
                _row(step, *(("bar-way", "way-text") if index == 0 and step.cost_s else ("bar",)))
                for index, step in enumerate(steps)
            ),
        ),
        lines=((TARGET_S, f"target of init_done {took(TARGET_S)}", "failure-timeout"),),
        figures="median · p95 · longest",
    )


def _row(figures: Figures, css: str, name_css: str = "text") -> Row:
    return Row(
        name=figures.name,
        name_css=name_css,
        spans=(
            Span(start=figures.least, end=figures.most, css="bar", thin=True),
            Span(start=figures.median, end=figures.p95, css=css),
        ),
        ticks=((figures.median, "median"),),
        figures=" · ".join(map(took, (figures.median, figures.p95, figures.most))),
    )


def _figures(name: str, values: Sequence[float], decided: int = 0, cost_s: float = 0.0) -> Figures:
    ordered = sorted(values)
    if not ordered:
        raise ValueError(f"no counted start-up has a duration of {name}")
    return Figures(
        name=name,
        jobs=len(ordered),
        least=ordered[0],
        median=median(ordered),
        # Use the nearest-rank percentile, which is a value that one of the jobs actually had.
        p95=ordered[math.ceil(0.95 * len(ordered)) - 1],
        most=ordered[-1],
        decided=decided,
        cost_s=cost_s,
    )
