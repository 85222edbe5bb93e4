"""Content of a lifecycle drawing, independent of the format: built from `EDGES` and `BUDGETS`.

The table has about eighty rows, and a drawing with eighty arrows would be unreadable. As in a Harel
statechart (https://doi.org/10.1016/0167-6423(87)90035-9), an edge common to all states of a group
is drawn once, as an arrow that starts at the group. Edges of one style between the same states are
drawn as one arrow with several labels. Internal transitions are written inside the state's box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from states.ends import edges_with
from states.history import History
from states.outcomes import EndReason, Outcome
from states.render.way import BACK, Visit, Way
from states.render.words import drawable, guard_name, seconds, spent
from states.table import (
    BUDGETS,
    DEADLINE_GROUPS,
    Edge,
    Event,
    State,
)


@dataclass(frozen=True, kw_only=True)
class Label:
    """One line of text on an arrow: an event or a spent budget, and its guard.

    The line of an event that ends the job also shows the outcome and the reason.
    """

    edges: tuple[Edge, ...]
    #: Text for the cause of the transition: the name of the event, or the spent budget in seconds.
    cause: str
    #: The name of the guard in words; empty if the edges have no guard.
    guard: str
    outcome: Outcome | None
    reason: EndReason | None
    #: True if the edges start at only one state of a group of states that share a deadline.
    of_one: bool
    #: The edges among `edges` that the drawn job took; empty if no job is drawn.
    taken: tuple[Edge, ...] = ()
    #: The numbers of those visits of the drawn job to a state that began with one of `edges`. The
    #: first visit of the job has the number 1.
    led_to: tuple[int, ...] = ()

    @property
    def ending(self) -> str:
        """The outcome and the reason, as `failed · RoomLost`; empty if the edge ends no job."""
        if self.outcome and self.reason:
            return f"{self.outcome} · {self.reason}"
        return "as declared by the agent" if self.edges[0].is_declared else ""

    @property
    def text(self) -> str:
        """The whole label on one line."""
        guard = f" [{self.guard}]" if self.guard else ""
        return self.cause + guard + (f" → {self.ending}" if self.ending else "")


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """All edges of one style that lead from one state, or one group of states, to another state."""

    sources: tuple[State, ...]
    target: State
    labels: tuple[Label, ...]
    #: True if the event of the edges is a spent budget, which makes the arrow dashed.
    is_timeout: bool
    #: True if the edges end the job with the outcome `failed`, which makes the arrow red.
    is_failure: bool

    @property
    def taken(self) -> bool:
        """True if the job took one of the arrow's edges."""
        return any(label.led_to for label in self.labels)


@dataclass(frozen=True, kw_only=True)
class Internal:
    """An internal transition: an event that is recorded without a change of state."""

    edge: Edge
    #: How often the event occurred in the drawn job; 0 if no job is drawn.
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Box:
    """One state in a drawing."""

    state: State
    internals: tuple[Internal, ...]
    #: True if the state has an edge for every event. The drawing shows most of its internal edges
    #: as one line, "any other event".
    records_the_rest: bool
    visits: tuple[Visit, ...] = ()
    #: The resources that were missing while the job was in the state.
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class View:
    """The content of a drawing: the lifecycle's table, and the path of one job if one is given."""

    boxes: Mapping[State, Box]
    arrows: tuple[Arrow, ...]
    #: Groups of states. Each group is drawn inside one outline; the outermost group comes first.
    groups: tuple[tuple[State, ...], ...]
    #: The states before CLOSING.
    live: tuple[State, ...]
    #: The state CLOSING, which every edge that ends a job leads to.
    closing: State
    #: The state CLOSED, which follows CLOSING and is the last state of every job.
    end: State
    #: The state in which the drawn job failed or its process died; None for any other job.
    broken: State | None = None
    #: True for a drawing of one job.
    of_a_job: bool = False
    #: One line about the drawn job; empty if no job is drawn.
    title: str = ""
    #: One line with the outcome of the drawn job; empty if no job is drawn.
    ending: str = ""
    failed: bool = False
    #: Transitions of the drawn job that are not in the current table.
    strays: tuple[str, ...] = ()
    #: What the loss of a resource means, by the name of the resource. If a job is drawn, only the
    #: resources that the job missed are included.
    losses: Mapping[str, str] = field(default_factory=dict)


def view(
    history: History | None = None,
    *,
    edges: tuple[Edge, ...] | None = None,
    states: tuple[State, ...] = tuple(State),
    deadline_groups: tuple[tuple[State, ...], ...] = DEADLINE_GROUPS,
    losses: Mapping[str, str] | None = None,
) -> View:
    """Return the content of a drawing.

    Tests pass `edges`, `states` and `deadline_groups` to draw another table. The drawing of a job
    shows the ends that the job's application declares.
    """
    edges = edges_with(history.ends if history else {}) if edges is None else edges
    budgets = dict(BUDGETS) if history is None else history.budgets
    way = Way(history, edges)
    closing = next(edge.target for edge in edges if edge.target and edge.outcome)
    reachable = _reachable(closing, edges)
    live = tuple(s for s in states if s is not closing and s not in reachable)
    shared = (tuple(state for state in live if state in group) for group in deadline_groups)
    groups = tuple(group for group in (live, *shared) if len(group) > 1)
    arrows = _arrows(edges, groups, budgets, way)
    return View(
        boxes={state: _box(state, edges, way, is_live=state in live) for state in states},
        arrows=tuple(sorted(arrows, key=lambda arrow: (arrow.is_timeout, arrow.is_failure))),
        groups=groups,
        live=live,
        closing=closing,
        end=next(state for state in states if state in reachable),
        broken=_broken(history, closing),
        of_a_job=history is not None,
        title=_title(history) if history else "",
        ending=f"{history.outcome} · {history.reason}" if history and history.outcome else "",
        failed=bool(history and history.outcome is Outcome.FAILED),
        strays=way.strays,
        losses=_met(losses or {}, history, way),
    )


def _met(losses: Mapping[str, str], history: History | None, way: Way) -> Mapping[str, str]:
    """Return `losses`; if a job is drawn, only the entries of its missing resources."""
    if history is None:
        return losses
    missing = {name.removesuffix(BACK) for state in State for name in way.missing(state)}
    return {name: means for name, means in losses.items() if name in missing}


def _reachable(start: State, edges: tuple[Edge, ...]) -> set[State]:
    found: set[State] = set()
    todo = [start]
    while todo:
        here = todo.pop()
        new = {e.target for e in edges if e.source is here and e.target} - found
        found |= new
        todo.extend(new)
    return found


def _broken(history: History | None, closing: State) -> State | None:
    """Return the state in which a failure occurred, or in which the job's process died."""
    if history is None or not history.transitions:
        return None
    last = history.transitions[-1]
    entry = next((x for x in history.transitions if x.target is closing), None)
    if entry is not None and entry.outcome is Outcome.FAILED:
        return entry.source
    return last.target if history.broke_off else None


def _title(history: History) -> str:
    job = drawable(str(history.header.get("job_id") or "unnamed"))
    if not history.transitions:
        return f"Job {job}: nothing is recorded"
    return f"Job {job}: {spent(history.transitions[-1].t)} from receipt to {history.state}"


def _box(
    state: State,
    edges: tuple[Edge, ...],
    way: Way,
    *,
    is_live: bool,
) -> Box:
    own = [edge for edge in edges if edge.source is state]
    internals = tuple(Internal(edge=e, count=way.count(e)) for e in own if e.target is None)
    history = way.history
    notes: tuple[str, ...] = ()
    if history and history.state is state and own:
        killed = f"killed by signal {history.signal}" if history.signal else ""
        left = "" if history.exit_code is None else f"process gone, exit code {history.exit_code}"
        notes = (killed or left or "the journal ends here",)
    return Box(
        state=state,
        internals=internals,
        records_the_rest=bool(internals) and {edge.event for edge in own} == set(Event),
        visits=way.visits(state),
        missing=way.missing(state) if is_live else (),
        notes=notes,
    )


_Signature = tuple[Event, State, object, Outcome | None, EndReason | None]


def _arrows(
    edges: tuple[Edge, ...],
    groups: tuple[tuple[State, ...], ...],
    budgets: Mapping[State, float],
    way: Way,
) -> Iterator[Arrow]:
    alike: dict[_Signature, list[Edge]] = {}
    for edge in edges:
        if edge.target is not None:
            key = (edge.event, edge.target, edge.guard, edge.outcome, edge.reason)
            alike.setdefault(key, []).append(edge)
    merged: dict[tuple[tuple[State, ...], State, bool, bool], list[Label]] = {}
    for rows in alike.values():
        for part in _split(rows, groups):
            first = part[0]
            assert first.target is not None  # noqa: S101  # internal edges were excluded above
            sources = tuple(edge.source for edge in part)
            style = (sources, first.target, first.is_timeout, first.outcome is Outcome.FAILED)
            of_one = len(part) == 1 and any(first.source in group for group in groups[1:])
            merged.setdefault(style, []).append(_label(part, budgets, way, of_one=of_one))
    for (sources, target, is_timeout, is_failure), labels in merged.items():
        yield Arrow(
            sources=sources,
            target=target,
            labels=tuple(labels),
            is_timeout=is_timeout,
            is_failure=is_failure,
        )


def _split(rows: list[Edge], groups: tuple[tuple[State, ...], ...]) -> Iterator[tuple[Edge, ...]]:
    """Group table rows that differ only in their source state: one group for each arrow.

    The rows of a complete group of states share an arrow. Every other row has its own arrow.
    """
    left = {edge.source: edge for edge in rows}
    for group in groups:
        if left.keys() >= set(group):
            yield tuple(left.pop(state) for state in group)
    for edge in left.values():
        yield (edge,)


def _label(
    rows: tuple[Edge, ...], budgets: Mapping[State, float], way: Way, *, of_one: bool
) -> Label:
    first = rows[0]
    cause = first.event.value
    if first.is_timeout:
        distinct = dict.fromkeys(seconds(budgets[e.source]) for e in rows if e.source in budgets)
        cause = "budget " + " or ".join(distinct)
    return Label(
        edges=rows,
        cause=cause,
        guard=guard_name(first),
        outcome=first.outcome,
        reason=first.reason,
        of_one=of_one,
        taken=tuple(edge for edge in rows if edge in way.led_to),
        led_to=tuple(sorted(number for edge in rows for number in way.led_to.get(edge, ()))),
    )
