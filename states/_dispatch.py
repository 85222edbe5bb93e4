"""The state table as an AsyncMachine of the library `transitions`, without concurrency.

Two features of the library are not used: its AsyncTimeout, which fires even if the job has left the
state, and its cancellation of running transitions, which swallows CancelledError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from transitions.core import EventData
from transitions.extensions.asyncio import AsyncMachine

from states.conditions import Conditions
from states.table import EDGES, Edge, Event, State


class _Machine(AsyncMachine):
    """An AsyncMachine that awaits callbacks in sequence and never cancels a transition.

    Only the owner task of a `Lifecycle` triggers transitions, so no two transitions of a job run
    concurrently.
    """

    @staticmethod
    async def await_all(callables: list[Callable[..., Any]]) -> list[Any]:
        """Await the callables in sequence.

        `asyncio.gather` would run each callable in a new task, outside the owner task.
        """
        return [await one() for one in callables]

    async def cancel_running_transitions(self, model: object, msg: str | None = None) -> None:
        """Cancel nothing, because the owner task completes every transition that it began."""

    async def process_context(self, func: Callable[[], Awaitable[Any]], model: object) -> Any:
        """Await `func` directly in the owner task, so that cancelling this task works as usual."""
        return await func()


#: The state in which every job begins: the first one of the table.
_FIRST: Final = next(iter(State))


class Dispatcher:
    """The current state of one job. Only the owner task of the job's `Lifecycle` may call `take`.

    In the terms of the library `transitions`, a dispatcher is a model: the dispatcher stores the
    state, and the machine, which all jobs share, stores no state.
    """

    def __init__(self) -> None:
        self.state_value = _FIRST.value

    @property
    def state(self) -> State:
        """The current state of the job."""
        return State(self.state_value)

    def edge_for(self, event: Event, conditions: Conditions) -> Edge | None:
        """Return the first edge for `event` in the current state whose guard holds, or None."""
        rows = _EDGES_BY.get((self.state, event), ())
        return next((edge for edge in rows if _holds(edge, conditions)), None)

    async def take(self, event: Event, conditions: Conditions) -> None:
        """Change the state along the edge that `edge_for` returns for the same arguments."""
        await _MACHINE.events[event.value].trigger(self, conditions=conditions)


def _holds(edge: Edge, conditions: Conditions) -> bool:
    return edge.guard is None or edge.guard(conditions)


def _condition_of(edge: Edge) -> Callable[[EventData], bool]:
    def check(event: EventData) -> bool:
        return _holds(edge, cast(Conditions, event.kwargs["conditions"]))

    return check


_EDGES_BY: dict[tuple[State, Event], list[Edge]] = {}
for _edge in EDGES:
    _EDGES_BY.setdefault((_edge.source, _edge.event), []).append(_edge)

_TRANSITIONS = [
    {
        "trigger": edge.event.value,
        "source": edge.source.value,
        "dest": edge.target.value if edge.target else None,
        "conditions": [_condition_of(edge)] if edge.guard else [],
    }
    for edge in EDGES
]

#: The machine, which all jobs share because creating one takes milliseconds. The machine holds the
#: table, but no state of a job.
_MACHINE: Final = _Machine(
    model=None,
    states=[state.value for state in State],
    initial=_FIRST.value,
    transitions=_TRANSITIONS,
    auto_transitions=False,
    send_event=True,
    model_attribute="state_value",
)
