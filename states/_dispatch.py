"""The table on `transitions`' AsyncMachine, without that library's own concurrency.

Its AsyncTimeout checks nothing when it fires, and its cancellation of running transitions
swallows CancelledError: neither is used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from transitions.core import EventData
from transitions.extensions.asyncio import AsyncMachine

from states.conditions import Conditions
from states.table import EDGES, Edge, Event, State


class _Machine(AsyncMachine):
    """Callbacks one after another, and no task cancelled: there is one owner."""

    @staticmethod
    async def await_all(callables: list[Callable[..., Any]]) -> list[Any]:
        """One after another: gather would run each in a task without the caller's context."""
        return [await one() for one in callables]

    async def cancel_running_transitions(self, model: object, msg: str | None = None) -> None:
        """Never: there is one owner task, and what it began it ends."""

    async def process_context(self, func: Callable[[], Awaitable[Any]], model: object) -> Any:
        """The owner task is the context. Cancelling it means what it means everywhere."""
        return await func()


class Dispatcher:
    """One job's place in the table. Only its lifecycle's owner task may call `take`.

    To `transitions` it is a model, which keeps its state; the machine knows of none.
    """

    def __init__(self) -> None:
        self.state_value = State.HANDSHAKE.value

    @property
    def state(self) -> State:
        """Where the job is."""
        return State(self.state_value)

    def edge_for(self, event: Event, conditions: Conditions) -> Edge | None:
        """The first row for `event` here whose guard holds; None where the table has none."""
        rows = _EDGES_BY.get((self.state, event), ())
        return next((edge for edge in rows if _holds(edge, conditions)), None)

    async def take(self, event: Event, conditions: Conditions) -> None:
        """Take the edge that `edge_for` found."""
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

#: Made once, for it takes milliseconds: it holds the table, and nothing of any job.
_MACHINE: Final = _Machine(
    model=None,
    states=[state.value for state in State],
    initial=State.HANDSHAKE.value,
    transitions=_TRANSITIONS,
    auto_transitions=False,
    send_event=True,
    model_attribute="state_value",
)
