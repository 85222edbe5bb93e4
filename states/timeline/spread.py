"""Many start-ups beside one another: what each step takes as a rule, and which is the slowest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from states.render.words import took
from states.timeline.chart import Panel, Row, Span
from states.timeline.startup import LATE, TARGET_S, Startup

#: Seconds at which the axis begins: what is shorter decides nothing.
_LEAST_S = 0.001


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The spread of one figure over some jobs, in seconds."""

    name: str
    jobs: int
    least: float
    median: float
    p95: float
    most: float
    #: Of a step: in how many jobs it is on the chain that decided, and what it added there.
    decided: int = 0
    cost_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As `interview-worker blame --last --json` prints it, in milliseconds."""
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
    """Takes one start-up after the other, and keeps a few figures of each."""

    def __init__(self) -> None:
        self._whole: list[float] = []
        self._took: dict[str, list[float]] = {}
        self._decided: dict[str, int] = {}
        self._cost: dict[str, float] = {}

    def add(self, start: Startup) -> None:
        """Count a start-up that got to RUNNING. Raises ValueError for another one."""
        if not start.reached:
            raise ValueError("a job that never got to RUNNING has no time until it")
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
        """How many start-ups were counted."""
        return len(self._whole)

    @property
    def whole(self) -> Figures:
        """From receipt to RUNNING. Raises ValueError where nothing was counted."""
        return _figures("init_done", self._whole)

    @property
    def in_time(self) -> int:
        """How many kept the target."""
        return sum(seconds <= TARGET_S for seconds in self._whole)

    @property
    def steps(self) -> tuple[Figures, ...]:
        """Each step, first the one that cost the most of the time of all of these start-ups."""
        found = [
            _figures(name, took, self._decided.get(name, 0), self._cost.get(name, 0.0))
            for name, took in self._took.items()
        ]
        return tuple(sorted(found, key=lambda step: (-step.cost_s, -step.median, step.name)))

    def verdict(self) -> tuple[str, ...]:
        """In words: how many kept the target, and which step is the slowest."""
        whole = self.whole
        lines = [
            f"RUNNING after {took(whole.median)} (median), {took(whole.p95)} (95th percentile), "
            f"{took(whole.most)} (longest): {self.in_time} of {self.jobs} within {took(TARGET_S)}."
        ]
        if self.steps and self.steps[0].cost_s > 0:
            step = self.steps[0]
            part = 100 * step.cost_s / sum(self._whole)
            lines.append(
                f"Slowest: {step.name}, which took {part:.0f} % of all that time "
                f"and was waited for in {step.decided} of {self.jobs}."
            )
        return tuple(lines)

    def as_json(self, passed_over: Mapping[str, int]) -> dict[str, Any]:
        """As `interview-worker blame --last --json` prints it."""
        return {
            "jobs": self.jobs,
            "passed_over": dict(passed_over),
            "within_target": self.in_time,
            "target_ms": round(TARGET_S * 1000),
            "init_done": self.whole.as_json(),
            "steps": [step.as_json() for step in self.steps],
        }


def spread_panel(spread: Spread, *, note: str = "") -> Panel:
    """Each step's spread on an axis on which ten times as long is always as far."""
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
        raise ValueError(f"nothing was counted of {name}")
    return Figures(
        name=name,
        jobs=len(ordered),
        least=ordered[0],
        median=median(ordered),
        # The nearest rank: a value that some job really had.
        p95=ordered[math.ceil(0.95 * len(ordered)) - 1],
        most=ordered[-1],
        decided=decided,
        cost_s=cost_s,
    )
