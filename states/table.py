"""The single definition of the lifecycle: every state, event, budget and edge, with its guard.

The state machine, the diagrams, the tests and docs/reference/lifecycle.md are generated from
`State` and `EDGES`. Code that needs a property of a state reads a column of `State`, such as
`state.phase`, and does not list the states itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from states.guards import (
    Guard,
    nothing_missing,
    only_optional_missing,
    required_missing,
    something_missing,
)
from states.outcomes import EndReason, Outcome, Reason
from states.phases import Budget, Clock, Phase

_START = Budget(10.0, "starting the session")
# `most_s` is 14, because livekit-agents cancels an entrypoint 15 s after the job's shutdown began
# (ipc/job_proc_lazy_main.py).
_CLOSING = Budget(12.0, "closing message, last records, cleanup", most_s=14)
_INTERVIEW = Budget(
    3600.0,
    "the longest allowed interview: the seconds with the candidate present, over all of its jobs",
    pausable=True,
)

#: Values of the column `may_speak`.
_SPEAKS, _SILENT = True, False


class State(StrEnum):
    """The states of a job. Every job begins in HANDSHAKE and ends in CLOSED."""

    phase: Phase
    #: The time limit; None for a state that has no limit.
    budget: Budget | None
    #: True if the job may speak to the candidate, apart from the closing message.
    may_speak: bool

    # Every member sets all columns. The defaults are only for type checkers, so that they accept a
    # look-up by value.
    def __new__(
        cls,
        name: str,
        phase: Phase = Phase.OVER,
        budget: Budget | None = None,
        may_speak: bool = _SILENT,
    ) -> State:
        """Create a state with the values of its columns."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.phase, member.budget, member.may_speak = phase, budget, may_speak
        return member

    #: The job was received and is connecting to the room.
    HANDSHAKE = "HANDSHAKE", Phase.CONNECTING, Budget(10.0, "connecting to the room"), _SILENT
    #: The job is connected to the room; loading has not begun.
    CONNECTED = "CONNECTED", Phase.CONNECTING, Budget(2.0, "until loading begins"), _SPEAKS
    #: The resources load concurrently.
    BOOTSTRAPPING = (
        "BOOTSTRAPPING",
        Phase.LOADING,
        Budget(15.0, "loading the required resources"),
        _SPEAKS,
    )
    #: All resources are loaded; the session is starting.
    READY = "READY", Phase.STARTING, _START, _SPEAKS
    #: All required resources are loaded, but an optional one is missing; the session is starting.
    DEGRADED = "DEGRADED", Phase.STARTING, _START, _SPEAKS
    #: The session runs. `Lifecycle.conditions` tells which resources are missing.
    RUNNING = "RUNNING", Phase.SESSION, _INTERVIEW, _SPEAKS
    #: The job runs its closing steps, and cannot return to an earlier state.
    CLOSING = "CLOSING", Phase.CLOSING, _CLOSING, _SILENT
    #: The job is over and has an outcome and a reason.
    CLOSED = "CLOSED", Phase.OVER, None, _SILENT

    @property
    def deadline_group(self) -> tuple[State, ...]:
        """This state and the states that share its deadline, in the order of the table."""
        return tuple(state for state in State if state.budget is self.budget)


#: Default time budget in seconds of each state that has a time limit.
BUDGETS: Mapping[State, float] = {
    state: state.budget.seconds for state in State if state.budget is not None
}
#: The groups of several states that share one deadline.
DEADLINE_GROUPS = tuple(
    group for group in dict.fromkeys(state.deadline_group for state in BUDGETS) if len(group) > 1
)
#: The states that share their deadline with another state.
SHARED_DEADLINE = frozenset(state for group in DEADLINE_GROUPS for state in group)

#: The states whose budget is pausable.
PAUSABLE = tuple(state for state in BUDGETS if state.budget is not None and state.budget.pausable)

#: Maximum time in seconds that CLOSING may take after SHUTDOWN_REQUESTED or WORKER_LOST. Another
#: such event does not extend this time. The longest closing message takes 4.6 s.
HURRIED_CLOSING_S = 7.0


def phase_of(name: str | None) -> Phase | None:
    """Return the phase of the state whose stored name is `name`.

    Return None if no state has the name, because another version may have other states.
    """
    return next((state.phase for state in State if state == name), None)


class Event(StrEnum):
    """The events of a job. Only `BUDGET_SPENT` is created by the state machine, from a timer."""

    ROOM_CONNECTED = "room_connected"
    HANDSHAKE_FAILED = "handshake_failed"
    #: Loading begins. The event carries a pending condition for each resource to load.
    BOOTSTRAP_STARTED = "bootstrap_started"
    #: A loader has reported success or failure. The event carries the resource's condition.
    LOADER_REPORTED = "loader_reported"
    #: Each loader has reported or exceeded its own time budget.
    LOADERS_SETTLED = "loaders_settled"
    #: A required resource failed to load.
    RESOURCE_FAILED = "resource_failed"
    #: The orchestrator, a required resource of an interview, failed to load.
    ORCHESTRATOR_FAILED = "orchestrator_failed"
    METADATA_INVALID = "metadata_invalid"
    INTERVIEW_UNKNOWN = "interview_unknown"
    INTERVIEW_OVER = "interview_over"
    #: A loaded resource became unavailable. The event carries the resource's condition.
    RESOURCE_LOST = "resource_lost"
    #: A lost resource became available again. The event carries the resource's condition.
    RESOURCE_RECOVERED = "resource_recovered"
    SESSION_STARTED = "session_started"
    SESSION_FAILED = "session_failed"
    INTERVIEW_COMPLETED = "interview_completed"
    #: The method `run` of the application returned without firing an event that ends the job.
    WORK_DONE = "work_done"
    #: An end that the application declares (states/ends.py). The event carries the end's outcome
    #: and reason.
    APPLICATION_ENDED = "application_ended"
    CANDIDATE_LEFT = "candidate_left"
    CANDIDATE_NEVER_JOINED = "candidate_never_joined"
    CANDIDATE_SILENT = "candidate_silent"
    #: No recovery step could deliver the interviewer's turn, neither as audio nor as text.
    TURN_STUCK = "turn_stuck"
    #: The work of the job, such as an interview, was cancelled. No other job continues the work.
    CANCEL_REQUESTED = "cancel_requested"
    SHUTDOWN_REQUESTED = "shutdown_requested"
    #: The worker's main process died or gave the job up, and no other worker took the job over.
    WORKER_LOST = "worker_lost"
    ROOM_LOST = "room_lost"
    ROOM_DELETED = "room_deleted"
    #: LiveKit closed the room by its own time-outs, while the candidate was not there.
    ROOM_CLOSED = "room_closed"
    LEASE_LOST = "lease_lost"
    HANDOVER_REQUESTED = "handover_requested"
    #: The candidate is absent or hears nothing: time does not count for a pausable budget.
    CLOCK_STOPPED = "clock_stopped"
    #: The candidate is present and hears the agent again: time counts again.
    CLOCK_RESUMED = "clock_resumed"
    JOB_CRASHED = "job_crashed"
    CLOSED = "closed"
    #: The time budget of the current state ran out. The event is processed like any other event.
    BUDGET_SPENT = "budget_spent"


#: The events that stop the clock of a pausable budget and let it run again.
CLOCK_EVENTS: Mapping[Event, Clock] = {
    Event.CLOCK_STOPPED: Clock.STOPPED,
    Event.CLOCK_RESUMED: Clock.RUNNING,
}


@dataclass(frozen=True)
class Edge:
    """One row of the table: in state `source`, on `event`, if `guard` holds, enter `target`.

    An edge without a `target` is internal: the event is recorded, but the state and the deadline do
    not change.
    """

    source: State
    event: Event
    target: State | None = None
    guard: Guard | None = field(default=None, kw_only=True)
    outcome: Outcome | None = field(default=None, kw_only=True)
    reason: EndReason | None = field(default=None, kw_only=True)
    #: True if this edge shortens the remaining time of CLOSING to at most `HURRIED_CLOSING_S`.
    hurries: bool = field(default=False, kw_only=True)
    #: What the clock of a pausable budget does from this edge on; None if the edge does not change
    #: it.
    clock: Clock | None = field(default=None, kw_only=True)

    @property
    def is_timeout(self) -> bool:
        """True if the job takes this edge when the budget of `source` runs out."""
        return self.event is Event.BUDGET_SPENT

    @property
    def is_declared(self) -> bool:
        """True if an application's declared end gives this edge its outcome and its reason."""
        return self.event is Event.APPLICATION_ENDED and self.target is not None


def _end(
    source: State,
    event: Event,
    outcome: Outcome,
    reason: Reason,
    *,
    guard: Guard | None = None,
) -> Edge:
    return Edge(
        source,
        event,
        State.CLOSING,
        guard=guard,
        outcome=outcome,
        reason=reason,
        hurries=event in _HURRYING,
    )


#: Events after which the job must close quickly, in at most `HURRIED_CLOSING_S`.
_HURRYING = frozenset({Event.SHUTDOWN_REQUESTED, Event.WORKER_LOST})

_S, _E, _O, _R = State, Event, Outcome, Reason

#: Events that end the job from every state before CLOSING.
_ENDS_FROM_ANYWHERE = (
    (_E.CANCEL_REQUESTED, _O.CANCELLED, _R.CANCEL_REQUESTED),
    (_E.SHUTDOWN_REQUESTED, _O.CANCELLED, _R.SHUTDOWN_REQUESTED),
    (_E.WORKER_LOST, _O.FAILED, _R.WORKER_LOST),
    (_E.ROOM_LOST, _O.FAILED, _R.ROOM_LOST),
    (_E.ROOM_DELETED, _O.CANCELLED, _R.ROOM_DELETED),
    (_E.ROOM_CLOSED, _O.ABANDONED, _R.ROOM_CLOSED),
    (_E.LEASE_LOST, _O.SUPERSEDED, _R.LEASE_LOST),
    (_E.HANDOVER_REQUESTED, _O.HANDED_OVER, _R.HANDOVER_REQUESTED),
    (_E.JOB_CRASHED, _O.FAILED, _R.JOB_CRASHED),
)

EDGES: tuple[Edge, ...] = (
    # The handshake, which only connects to the room.
    Edge(_S.HANDSHAKE, _E.ROOM_CONNECTED, _S.CONNECTED),
    _end(_S.HANDSHAKE, _E.HANDSHAKE_FAILED, _O.FAILED, _R.HANDSHAKE_FAILED),
    _end(_S.HANDSHAKE, _E.BUDGET_SPENT, _O.FAILED, _R.HANDSHAKE_TIMEOUT),
    Edge(_S.CONNECTED, _E.BOOTSTRAP_STARTED, _S.BOOTSTRAPPING),
    _end(_S.CONNECTED, _E.BUDGET_SPENT, _O.FAILED, _R.BOOTSTRAP_NEVER_STARTED),
    # Loading. After LOADERS_SETTLED or BUDGET_SPENT, the next state depends on which resources are
    # available.
    *(
        edge
        for event, reason in (
            (_E.LOADERS_SETTLED, _R.RESOURCE_FAILED),
            (_E.BUDGET_SPENT, _R.BOOTSTRAP_TIMEOUT),
        )
        for edge in (
            Edge(_S.BOOTSTRAPPING, event, _S.READY, guard=nothing_missing),
            Edge(_S.BOOTSTRAPPING, event, _S.DEGRADED, guard=only_optional_missing),
            _end(_S.BOOTSTRAPPING, event, _O.FAILED, reason, guard=required_missing),
        )
    ),
    _end(_S.BOOTSTRAPPING, _E.RESOURCE_FAILED, _O.FAILED, _R.RESOURCE_FAILED),
    _end(_S.BOOTSTRAPPING, _E.ORCHESTRATOR_FAILED, _O.FAILED, _R.ORCHESTRATOR_FAILED),
    _end(_S.BOOTSTRAPPING, _E.METADATA_INVALID, _O.FAILED, _R.METADATA_INVALID),
    _end(_S.BOOTSTRAPPING, _E.INTERVIEW_UNKNOWN, _O.FAILED, _R.INTERVIEW_UNKNOWN),
    _end(_S.BOOTSTRAPPING, _E.INTERVIEW_OVER, _O.CANCELLED, _R.INTERVIEW_ALREADY_OVER),
    # The start of the session, with or without the optional resources.
    Edge(_S.READY, _E.RESOURCE_LOST, _S.DEGRADED),
    Edge(_S.DEGRADED, _E.RESOURCE_RECOVERED, _S.READY, guard=nothing_missing),
    *(
        edge
        for state in (_S.READY, _S.DEGRADED)
        for edge in (
            Edge(state, _E.SESSION_STARTED, _S.RUNNING),
            _end(state, _E.SESSION_FAILED, _O.FAILED, _R.SESSION_FAILED),
            _end(state, _E.BUDGET_SPENT, _O.FAILED, _R.SESSION_START_TIMEOUT),
        )
    ),
    # The interview, and the events that end it.
    _end(_S.RUNNING, _E.INTERVIEW_COMPLETED, _O.COMPLETED, _R.INTERVIEW_COMPLETED),
    _end(_S.RUNNING, _E.WORK_DONE, _O.COMPLETED, _R.WORK_DONE),
    Edge(_S.RUNNING, _E.APPLICATION_ENDED, _S.CLOSING),
    _end(_S.RUNNING, _E.CANDIDATE_LEFT, _O.ABANDONED, _R.CANDIDATE_LEFT),
    _end(_S.RUNNING, _E.CANDIDATE_NEVER_JOINED, _O.ABANDONED, _R.CANDIDATE_NEVER_JOINED),
    _end(_S.RUNNING, _E.CANDIDATE_SILENT, _O.ABANDONED, _R.CANDIDATE_SILENT),
    _end(_S.RUNNING, _E.TURN_STUCK, _O.FAILED, _R.TURN_STUCK),
    _end(_S.RUNNING, _E.SESSION_FAILED, _O.FAILED, _R.SESSION_FAILED),
    _end(_S.RUNNING, _E.BUDGET_SPENT, _O.COMPLETED, _R.TIME_LIMIT_REACHED),
    # Events that can end a job at any time before CLOSING.
    *(
        _end(state, event, outcome, reason)
        for state in State
        if state.phase < Phase.CLOSING
        for event, outcome, reason in _ENDS_FROM_ANYWHERE
    ),
    # The edges to CLOSED keep the outcome and the reason with which the job entered CLOSING.
    Edge(_S.CLOSING, _E.CLOSED, _S.CLOSED),
    Edge(_S.CLOSING, _E.BUDGET_SPENT, _S.CLOSED),
    # Internal edges: loader reports, losses and recoveries that are recorded without a change of
    # state or deadline.
    *(Edge(state, _E.LOADER_REPORTED) for state in (_S.HANDSHAKE, _S.CONNECTED, _S.BOOTSTRAPPING)),
    Edge(_S.BOOTSTRAPPING, _E.RESOURCE_LOST),
    Edge(_S.BOOTSTRAPPING, _E.RESOURCE_RECOVERED),
    Edge(_S.DEGRADED, _E.RESOURCE_LOST),
    Edge(_S.DEGRADED, _E.RESOURCE_RECOVERED, guard=something_missing),
    Edge(_S.READY, _E.RESOURCE_RECOVERED),
    Edge(_S.RUNNING, _E.RESOURCE_LOST),
    Edge(_S.RUNNING, _E.RESOURCE_RECOVERED),
    # Internal edges: the clock of a pausable budget is stopped, and runs again.
    *(
        Edge(state, event, clock=clock)
        for state in PAUSABLE
        for event, clock in CLOCK_EVENTS.items()
    ),
    # Internal edges: events that arrive during CLOSING are only recorded, except that the events of
    # `_HURRYING` also shorten the remaining time.
    *(
        Edge(_S.CLOSING, event, hurries=event in _HURRYING)
        for event in Event
        if event not in (_E.CLOSED, _E.BUDGET_SPENT)
    ),
)


def allowed(state: State) -> tuple[Event, ...]:
    """Return the events for which `state` has an edge, in table order, without duplicates."""
    return tuple(dict.fromkeys(edge.event for edge in EDGES if edge.source is state))
