"""Shortest event sequence to every edge of the state table, and a driver that takes a job there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from states import EDGES, Conditions, Edge, Event, JournalError, MemoryJournal, State
from states.testing import loaded, lost, pending

if TYPE_CHECKING:
    from states import Condition, Lifecycle, Transition

#: One step of a job: an event, and the conditions that it carries, if any.
Step: TypeAlias = "tuple[Event, *tuple[Condition, ...]]"

_CARRY_A_CONDITION = (
    Event.BOOTSTRAP_STARTED,
    Event.LOADER_REPORTED,
    Event.RESOURCE_LOST,
    Event.RESOURCE_RECOVERED,
)
_WORDS_ON_RESOURCES = (
    pending("vad"),
    loaded("vad"),
    lost("vad"),
    pending("orchestrator", required=True),
    loaded("orchestrator", required=True),
    lost("orchestrator", required=True),
)


@cache
def _steps() -> list[Step]:
    bare: list[Step] = [(event,) for event in Event]
    return bare + [(event, word) for event in _CARRY_A_CONDITION for word in _WORDS_ON_RESOURCES]


def edge_taken(state: State, step: Step, conditions: Conditions) -> tuple[Edge | None, Conditions]:
    """Return the first row of the table that takes `step`, and the conditions after the step."""
    event, *words = step
    for word in words:
        conditions = conditions.updated(word)
    for edge in EDGES:
        holds = edge.guard is None or edge.guard(conditions)
        if holds and (edge.source, edge.event) == (state, event):
            return edge, conditions
    return None, conditions


@cache
def shortest_ways() -> Mapping[Edge, tuple[Step, ...]]:
    """Return, for each reachable edge, the fewest steps that end with it (breadth-first)."""
    ways: dict[Edge, tuple[Step, ...]] = {}
    seen: set[tuple[State, tuple[str, ...], tuple[str, ...]]] = set()
    queue: deque[tuple[State, Conditions, tuple[Step, ...]]] = deque(
        [(State.HANDSHAKE, Conditions(), ())]
    )
    while queue:
        state, conditions, way = queue.popleft()
        known = (state, tuple(sorted(conditions.by_resource)), conditions.missing)
        if known in seen:
            continue
        seen.add(known)
        for step in _steps():
            edge, after = edge_taken(state, step, conditions)
            if edge is not None:
                ways.setdefault(edge, (*way, step))
                queue.append((edge.target or state, after, (*way, step)))
    return MappingProxyType(ways)


@cache
def way_to(state: State) -> tuple[Step, ...]:
    """Return the fewest steps into `state`."""
    if state is State.HANDSHAKE:
        return ()
    into = [way for edge, way in shortest_ways().items() if edge.target is state]
    return min(into, key=len)


async def take(job: Lifecycle, *steps: Step) -> Transition:
    """Take the steps on virtual time: wait for the end of a budget, fire every other event.

    APPLICATION_ENDED stands for the first end that the job declares.
    """
    for event, *words in steps:
        edge, _ = edge_taken(job.state, (event, *words), job.conditions)
        if event is Event.BUDGET_SPENT and edge is not None and edge.target is not None:
            await job.reached(edge.target)
        elif edge is not None and edge.is_declared:
            await job.end(next(iter(job.ends)))
        else:
            await job.fire(event, *words)
    return job.transitions[-1]


class FullJournal(MemoryJournal):
    """Journal in memory that raises JournalError while `full` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    def append(self, kind: str, t: float, /, **fields: Any) -> dict[str, Any]:
        if self.full:
            raise JournalError("no space left on device")
        return super().append(kind, t, **fields)


def as_they_stand(job: Lifecycle) -> tuple[object, ...]:
    """Return everything that an event can change."""
    return (job.state, tuple(job.transitions), job.conditions, job.outcome, job.reason)


async def settled() -> None:
    """Let all ready tasks run without advancing the clock."""
    for _ in range(5):
        await asyncio.sleep(0)
