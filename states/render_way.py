"""One job's way through the table, for the drawings: its visits, and the edges that it took."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from states.conditions import Status
from states.history import History
from states.machine import Transition
from states.table import Edge, Event, State


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One stay of the job in a state. `number` counts from 1."""

    number: int
    #: None where the job is still there, or where its journal ends.
    seconds: float | None


class Way:
    """The job's visits, and which edges began them."""

    def __init__(self, history: History | None, edges: tuple[Edge, ...]) -> None:
        self.history = history
        self._edges = edges
        self.led_to: dict[Edge, list[int]] = {}
        strays: list[str] = []
        for number, step in enumerate(history.transitions if history else (), start=1):
            if step.source is None:
                continue
            edge = edge_of(step, edges)
            if edge is None:
                strays.append(
                    f"{number - 1} → {number}: {step.source} → {step.target} on {step.event}"
                )
            else:
                self.led_to.setdefault(edge, []).append(number)
        self.strays = tuple(strays)

    def visits(self, state: State) -> tuple[Visit, ...]:
        stays = self.history.stays() if self.history else ()
        return tuple(
            Visit(number=number, seconds=duration)
            for number, (here, _, duration) in enumerate(stays, start=1)
            if here is state
        )

    def count(self, edge: Edge) -> int:
        internals = self.history.internals if self.history else ()
        return sum(1 for x in internals if (x.source, x.event) == (edge.source, edge.event))

    def missing(self, state: State) -> tuple[str, ...]:
        """What was missing at any moment of the visits of `state`, first named first."""
        found: dict[str, None] = {}
        for here, entered, duration in self.history.stays() if self.history else ():
            if here is state:
                found |= dict.fromkeys(self._missing_between(entered, duration, here))
        return tuple(found)

    def _missing_between(self, start: float, duration: float | None, at: State) -> Iterator[str]:
        changes = self.history.condition_changes if self.history else ()
        end = math.inf if duration is None else start + duration
        missing = {Status.LOST} if self._loads_in(at) else {Status.LOST, Status.PENDING}
        for resource in dict.fromkeys(c.resource for c in changes):
            own = [c for c in changes if c.resource == resource]
            before = [c for c in own if c.since <= start][-1:]
            during = [c for c in own if start < c.since < end]
            if any(c.status in missing for c in (*before, *during)):
                yield resource

    def _loads_in(self, state: State) -> bool:
        """While the loaders run, what is pending is not missing yet."""
        return any(e.source is state and e.event is Event.LOADER_REPORTED for e in self._edges)


def edge_of(step: Transition, edges: tuple[Edge, ...]) -> Edge | None:
    """The row that this step took. Rows that differ in their guard alone differ in the target."""
    rows = [
        edge
        for edge in edges
        if (edge.source, edge.event, edge.target) == (step.source, step.event, step.target)
    ]
    exact = [edge for edge in rows if edge.reason is None or edge.reason is step.reason]
    return next(iter(exact or rows), None)
