"""The transition of a job, and the errors of a lifecycle that refuses a transition."""

from __future__ import annotations

from dataclasses import dataclass

from states.outcomes import EndReason, Outcome
from states.phases import Phase
from states.table import Event, State


class IllegalTransition(Exception):
    """Raised if the table has no edge for the event in the current state.

    The state of the job is not changed.
    """

    def __init__(self, state: State, event: Event, allowed: tuple[Event, ...]) -> None:
        self.state = state
        self.event = event
        self.allowed = allowed
        names = ", ".join(allowed) or "nothing"
        super().__init__(f"{event} is not allowed in {state} (allowed: {names})")


class LifecycleStopped(Exception):
    """Raised if the lifecycle stops before it has processed the event or reached the state."""


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One transition of a job. `t` is in seconds since the job was received.

    An internal transition has the same `source` and `target`. The first transition of a job, the
    entry into HANDSHAKE, has neither a `source` nor an `event`.
    """

    source: State | None
    event: Event | None
    target: State
    t: float
    outcome: Outcome | None = None
    reason: EndReason | None = None

    @property
    def internal(self) -> bool:
        """True if the state did not change."""
        return self.source is self.target

    def enters(self, *places: State | Phase) -> bool:
        """Return True if `target` is one of these states, or is in one of these phases."""
        return any(place is self.target or place is self.target.phase for place in places)
