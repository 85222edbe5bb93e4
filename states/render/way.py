"""The path of one job through the table: the visits of the job, and the edges that it took."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from states.conditions import Status
from states.history import History
from states.render.words import drawable
from states.table import Edge, Event, State
from states.transition import Transition

#: Suffix to the name of a resource that became available again before the job left the state.
BACK = " (back)"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One visit of the job to a state. `number` counts from 1."""

    number: int
    #: Seconds spent in the state. None if the job is still in the state, or its journal ends there.
    seconds: float | None


class Way:
    """The visits of a job, and the edge with which each visit began."""

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
        """Return the resources that were missing in `state`, in the order of their first reports.

        `database (back)` means that the database became available again before the job left the
        state.
        """
        steps = self.history.transitions if self.history else ()
        found: dict[str, bool] = {}
        for step, following in zip_longest(steps, steps[1:]):
            if step.target is state:
                found |= self._missing_between(step, following)
        return tuple(drawable(name) + (BACK if back else "") for name, back in found.items())

    def _missing_between(self, entry: Transition, leave: Transition | None) -> dict[str, bool]:
        """Return the resources that were missing during one visit.

        The value is True for a resource that became available again during the visit.
        """
        changes = self.history.condition_changes if self.history else ()
        missing = {Status.LOST} if self._loads_in(entry.target) else {Status.LOST, Status.PENDING}
        found: dict[str, bool] = {}
        for resource in dict.fromkeys(change.resource for change in changes):
            own = [change for change in changes if change.resource == resource]
            seen = [c for c in own if c.since <= entry.t][-1:]
            seen += [c for c in own if entry.t < c.since and _is_before(c.since, leave)]
            if any(c.status in missing for c in seen):
                found[resource] = seen[-1].status is Status.READY
        return found

    def _loads_in(self, state: State) -> bool:
        """Return True if the loaders run in `state`.

        A pending resource does not count as missing while loaders run.
        """
        return any(e.source is state and e.event is Event.LOADER_REPORTED for e in self._edges)


def _is_before(t: float, leave: Transition | None) -> bool:
    """Return True if a change of condition at the time `t` belongs to the visit that `leave` ends.

    A change at the same time as `leave` belongs to the visit only if `leave` ends the job.
    """
    return leave is None or t < leave.t or (t == leave.t and leave.outcome is not None)


def edge_of(step: Transition, edges: tuple[Edge, ...]) -> Edge | None:
    """Return the edge that the transition `step` took; None if the table has no such edge.

    The guard is not compared, because edges with different guards have different targets.
    """
    rows = [
        edge
        for edge in edges
        if (edge.source, edge.event, edge.target) == (step.source, step.event, step.target)
    ]
    taken = (step.outcome, step.reason)
    exact = [edge for edge in rows if edge.reason is None or (edge.outcome, edge.reason) == taken]
    return next(iter(exact or rows), None)
