"""The lines of text in the box of a state and on an arrow, for all output formats."""

from __future__ import annotations

from collections.abc import Iterator

from states.phases import Clock
from states.render.view import Arrow, Box, View
from states.render.words import guard_name, seconds, spent
from states.table import HURRIED_CLOSING_S, Edge, State

#: Names of the junctions, which are the nodes at which the common arrows of several states start:
#: `LIVE` for all states before CLOSING, `SHARED` for the first group of states that share a
#: deadline. The junctions of further such groups are `either_2`, `either_3` and so on.
LIVE, SHARED = "any_state", "either"

_CLOCK = {Clock.STOPPED: "pauses the budget", Clock.RUNNING: "resumes the budget"}


def junctions(view: View) -> dict[str, str]:
    """Return the name and the text of each junction.

    The arrows that all states of a group have in common start at one node, the junction.
    """
    return {
        name: f"any state before {view.closing}" if name == LIVE else " or ".join(group)
        for name, group in _groups(view).items()
    }


def links(view: View) -> list[tuple[State, str]]:
    """Return each state that shares a deadline, with the name of the junction of its group."""
    groups = _groups(view).items()
    return [(state, name) for name, group in groups if name != LIVE for state in group]


def source_name(view: View, arrow: Arrow) -> str:
    """Return the name of the node at which an arrow starts: a state, or a group's junction."""
    if len(arrow.sources) == 1:
        return arrow.sources[0].value
    return next(name for name, group in _groups(view).items() if group == arrow.sources)


def _groups(view: View) -> dict[str, tuple[State, ...]]:
    """Return the groups of states by the names of their junctions."""
    shared = [group for group in view.groups if group != view.live]
    names = [SHARED, *(f"{SHARED}_{number}" for number in range(2, len(shared) + 1))]
    live = {LIVE: view.live} if len(view.live) > 1 else {}
    return live | dict(zip(names, shared, strict=False))


def internal_events(box: Box) -> Iterator[str]:
    """Yield, as text, the events that a state records without a change of state."""
    for internal in box.internals:
        if box.records_the_rest and not internal.edge.hurries and not internal.count:
            continue
        guard = f" [{guard_name(internal.edge)}]" if internal.edge.guard else ""
        times = f" ×{internal.count}" if internal.count else ""  # noqa: RUF001  # sign intended
        yield f"{internal.edge.event}{guard}{times}{_effect(internal.edge)}"
    if box.records_the_rest:
        yield "any other event"


def _effect(edge: Edge) -> str:
    """Return what an internal edge does to the time limit of its state; empty if nothing."""
    if edge.hurries:
        return f" (leaves {seconds(HURRIED_CLOSING_S)})"
    return f" ({_CLOCK[edge.clock]})" if edge.clock is not None else ""


def records_line(box: Box) -> str:
    """Return the line about recorded events: `records resource_lost, resource_recovered`.

    The line is empty if the state records no events.
    """
    events = ", ".join(internal_events(box))
    return f"records {events}" if events else ""


def time_in(box: Box) -> str:
    """Return the time that the job spent in a state, summed over all visits."""
    known = [visit.seconds for visit in box.visits if visit.seconds is not None]
    times = f"{len(box.visits)} visits, " if len(box.visits) > 1 else ""
    return times + spent(sum(known)) if known else ""


def box_lines(view: View, box: Box) -> list[str]:
    """Return a state as lines of text, the first with the state's name.

    The lines are for output formats whose renderer computes the layout.
    """
    numbers = ", ".join(str(visit.number) for visit in box.visits)
    time = time_in(box)
    lines = [
        (f"{numbers}. " if numbers else "") + box.state + (f": {time}" if time else ""),
        f"missing: {', '.join(box.missing)}" if box.missing else "",
        *box.notes,
        view.ending if box.state is view.end else "",
        records_line(box),
    ]
    return [line for line in lines if line]


def arrow_lines(arrow: Arrow) -> list[str]:
    """Return the labels of an arrow, one line each.

    If the drawn job took an edge of a label, the label's line begins with the numbers of the visits
    that began with this edge.
    """
    return [
        (f"to {', '.join(map(str, label.led_to))}: " if label.led_to else "") + label.text
        for label in arrow.labels
    ]
