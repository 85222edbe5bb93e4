"""The text in a state and on an arrow, line by line, for every format."""

from __future__ import annotations

from collections.abc import Iterator

from states.render.view import Arrow, Box, View
from states.render.words import guard_name, seconds, spent
from states.table import HURRIED_CLOSING_S, State

#: The junctions' names, for formats that need a name for every node.
LIVE, SHARED = "any_state", "either"


def shared_states(view: View) -> tuple[State, ...]:
    """Return the states that share a deadline, drawn as one group."""
    return view.groups[1] if len(view.groups) > 1 else ()


def junctions(view: View) -> dict[str, str]:
    """Return name and text of each node from which a whole group's arrows start."""
    words = {
        LIVE: f"any state before {view.closing}" if len(view.live) > 1 else "",
        SHARED: " or ".join(shared_states(view)),
    }
    return {name: text for name, text in words.items() if text}


def source_name(view: View, arrow: Arrow) -> str:
    """Return the node that an arrow starts from: a state, or the junction of its group."""
    if len(arrow.sources) == 1:
        return arrow.sources[0].value
    return LIVE if arrow.sources == view.live else SHARED


def internal_events(box: Box) -> Iterator[str]:
    """Yield the events that a state records without leaving it."""
    for internal in box.internals:
        if box.records_the_rest and not internal.edge.hurries and not internal.count:
            continue
        guard = f" [{guard_name(internal.edge)}]" if internal.edge.guard else ""
        times = f" ×{internal.count}" if internal.count else ""  # noqa: RUF001  # sign intended
        hurry = f" (leaves {seconds(HURRIED_CLOSING_S)})" if internal.edge.hurries else ""
        yield f"{internal.edge.event}{guard}{times}{hurry}"
    if box.records_the_rest:
        yield "any other event"


def records_line(box: Box) -> str:
    """Return `records resource_lost, resource_recovered`; empty if the state records no events."""
    events = ", ".join(internal_events(box))
    return f"records {events}" if events else ""


def time_in(box: Box) -> str:
    """Return the time that the job spent in a state, over all visits."""
    known = [visit.seconds for visit in box.visits if visit.seconds is not None]
    times = f"{len(box.visits)} visits, " if len(box.visits) > 1 else ""
    return times + spent(sum(known)) if known else ""


def box_lines(view: View, box: Box) -> list[str]:
    """Return a state as text lines, its name first, for formats with their own layout."""
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
    """Return the labels of an arrow; a label that the job took names the visits it led to."""
    return [
        (f"to {', '.join(map(str, label.led_to))}: " if label.led_to else "") + label.text
        for label in arrow.labels
    ]
