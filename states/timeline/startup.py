"""Start-up of one job: its states, its steps, and the critical chain that led to RUNNING.

The analysis is modelled on `systemd-analyze`. The analysis shows every step, and the critical
chain: the steps that determined the total time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from states.history import History
from states.phases import Phase
from states.recorded import Step
from states.table import EDGES, Event, State
from states.transition import Transition

#: Target time from a job's receipt to RUNNING, in seconds.
TARGET_S: Final = 0.8

#: Name of the first link of the critical chain (the steps that decided how long the start-up took):
#: from the receipt of the job by the worker to the start of the job's code.
RECEIVED: Final = "received"
#: Suffix to the name of the step of a loader that finished after its time budget. No step waited
#: for such a loader.
LATE: Final = " (late)"
#: Maximum difference, in seconds, of two times that count as equal, because all times are rounded.
_GRAIN_S: Final = 0.0001

#: Events that can end a job at any time and do not depend on a step: events from outside, and spent
#: budgets.
_FROM_OUTSIDE: Final = frozenset.intersection(
    *(
        frozenset(edge.event for edge in EDGES if edge.source is state and edge.target)
        for state in State
        if state.phase < Phase.CLOSING
    )
) | {Event.BUDGET_SPENT}


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link of the critical chain. The costs of all links add up to the time of the start-up."""

    name: str
    began: float
    ended: float
    #: Seconds that this link added: from the end of the previous link to the end of this link.
    cost_s: float
    #: The step that is this link; None if the link is the process start, a spent budget or an event
    #: from outside.
    step: Step | None = None


@dataclass(frozen=True, kw_only=True)
class Startup:
    """The start-up of one job. All times are in seconds since the job was received."""

    #: Each visit to a state: the state, the time of entry and the time of exit.
    bands: tuple[tuple[State, float, float], ...]
    #: Every step that began before `ended`, ordered by the time at which it began.
    steps: tuple[Step, ...]
    chain: tuple[Link, ...]
    #: The milestones that the job reached, at most four, with the names that the log uses.
    milestones: tuple[tuple[str, float], ...]
    #: The time at which the job entered `target`; the time of the last record if `target` is None.
    ended: float
    #: RUNNING, or CLOSING if the job ended before RUNNING. None for a job that is still starting or
    #: was killed during its start-up.
    target: State | None

    @property
    def reached(self) -> bool:
        """True if the job reached RUNNING."""
        return self.target is not None and self.target.phase is Phase.SESSION

    @property
    def slowest(self) -> Link | None:
        """The link of the critical chain with the highest cost; None if the chain is empty."""
        return max(self.chain, key=lambda link: link.cost_s, default=None)

    def is_critical(self, step: Step) -> bool:
        """Return True if the step is a link of the critical chain."""
        return any(link.step is step for link in self.chain)


def startup(history: History) -> Startup:
    """Extract the start-up from the history of a job, even if the job never reached RUNNING."""
    end = _end(history)
    ended = end.t if end else last_word(history)
    steps = [step for step in history.steps if step.began < ended]
    return Startup(
        bands=tuple(
            (state, entered, ended if spent is None else entered + spent)
            for state, entered, spent in history.stays()[: _visits(history, end)]
        ),
        steps=tuple(sorted(steps, key=lambda step: (step.began, step.t))),
        chain=tuple(_costed(reversed(list(_Chain(history, steps).back_from(end, ended))))),
        milestones=tuple(_milestones(history)),
        ended=ended,
        target=end.target if end else None,
    )


def last_word(history: History) -> float:
    """Return the seconds from the job's receipt to its last transition, step, turn or fault."""
    times = [x.t for x in (*history.transitions, *history.internals)]
    times += [step.t for step in history.steps]
    times += [turn.t for turn in history.turns]
    times += [fault["t"] for fault in history.faults if isinstance(fault.get("t"), int | float)]
    return max(times, default=0.0)


def _end(history: History) -> Transition | None:
    return next((x for x in history.transitions if x.target.phase >= Phase.SESSION), None)


def _visits(history: History, end: Transition | None) -> int | None:
    return None if end is None else history.transitions.index(end)


def _milestones(history: History) -> Iterator[tuple[str, float]]:
    session = next((s for s in history.steps if s.name == "start_session" and s.ok), None)
    times = {
        "handshake_start": history.entered(State.HANDSHAKE),
        "ctx_connected": history.entered(State.CONNECTED),
        "session_started": session.t if session else None,
        "init_done": history.entered(Phase.SESSION),
    }
    yield from ((name, at) for name, at in times.items() if at is not None)


def _costed(links: Iterator[Link]) -> Iterator[Link]:
    before = 0.0
    for link in links:
        yield Link(**{**vars(link), "cost_s": max(0.0, link.ended - before)})
        before = max(before, link.ended)


def _link(name: str, began: float, ended: float, step: Step | None = None) -> Link:
    return Link(name=name, began=began, ended=ended, cost_s=0.0, step=step)


class _Chain:
    """Finds the critical chain backwards: from each step to the step that it waited for."""

    def __init__(self, history: History, steps: list[Step]) -> None:
        self._entries = history.transitions
        self._left = [step for step in steps if not step.name.endswith(LATE)]
        self._spent = [x for x in self._entries if x.event is Event.BUDGET_SPENT]

    def back_from(self, end: Transition | None, ended: float) -> Iterator[Link]:
        """Yield the links of the chain, the last link first."""
        if end is not None and end.event in _FROM_OUTSIDE:
            began = self._entered(end)
            yield _link(_outside_name(end), began, end.t)
            ended = began
        yield from self._before(ended)
        received = self._entries[0].t if self._entries else 0.0
        if received > 0:
            yield _link(RECEIVED, 0.0, received)

    def _before(self, at: float) -> Iterator[Link]:
        """Yield the links that led to the time `at`, the last link first.

        The link nearest to `at` is the last step that ended by `at`, or a budget that ran out after
        that step.
        """
        step = self._last(at)
        while True:
            spent = self._budget_between(step.t if step else 0.0, at)
            if spent is not None:
                began = self._entered(spent)
                yield _link(_outside_name(spent), began, spent.t)
                self._spent.remove(spent)
                at, step = began, self._last(began)
                continue
            if step is None:
                return
            yield _link(step.name, step.began, step.t, step)
            # The loop ends for every journal, because each step and each budget becomes a link at
            # most once.
            self._left.remove(step)
            at, step = self._waited_for(step)

    def _waited_for(self, step: Step) -> tuple[float, Step | None]:
        """Return the time until which `step` waited, and the step that it waited for, if any."""
        if step.needs is None:
            return step.began, self._last(step.began)
        needed = [s for s in self._left if s.name in {f"load {name}" for name in step.needs}]
        last = self._last(step.began, needed)
        if last is not None:
            return last.t, last
        at = self._state_entered(step.began)
        return at, self._last(at)

    def _last(self, at: float, steps: list[Step] | None = None) -> Step | None:
        over = [s for s in (self._left if steps is None else steps) if s.t <= at + _GRAIN_S]
        return max(over, key=lambda step: (step.t, step.elapsed_ms), default=None)

    def _state_entered(self, at: float) -> float:
        entries = [x.t for x in self._entries if x.t <= at + _GRAIN_S]
        return max(entries, default=0.0)

    def _budget_between(self, after: float, at: float) -> Transition | None:
        return next((x for x in self._spent if after + _GRAIN_S < x.t <= at), None)

    def _entered(self, leaving: Transition) -> float:
        before = [x.t for x in self._entries if x.target is leaving.source and x.t < leaving.t]
        return before[-1] if before else 0.0


def _outside_name(transition: Transition) -> str:
    if transition.event is Event.BUDGET_SPENT:
        return f"budget of {transition.source}"
    return f"{transition.event} in {transition.source}"
