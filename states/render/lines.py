"""What stands in a state and on an arrow, line by line: the same in every format."""

from __future__ import annotations

from collections.abc import Iterator

from states.render.view import Arrow, Box, View
from states.render.words import guard_name, seconds, spent
from states.table import HURRIED_CLOSING_S, State

#: The junctions' names in the formats that need one for every node.
LIVE, SHARED = "any_state", "either"


def shared_states(view: View) -> tuple[State, ...]:
    """The states that share a deadline, drawn as one group."""
    return view.groups[1] if len(view.groups) > 1 else ()


def junctions(view: View) -> dict[str, str]:
    """The name and the words of each node from which a whole group's arrows start."""
    words = {
        LIVE: f"any state before {view.closing}" if len(view.live) > 1 else "",
        SHARED: " or ".join(shared_states(view)),
    }
    return {name: text for name, text in words.items() if text}


def source_name(view: View, arrow: Arrow) -> str:
    """The node that an arrow starts from: a state, or the junction of its group."""
    if len(arrow.sources) == 1:
        return arrow.sources[0].value
    return LIVE if arrow.sources == view.live else SHARED


def internal_events(box: Box) -> Iterator[str]:
    """The events that a state records without leaving it, one by one."""
    for internal in box.internals:
        if box.records_the_rest and not internal.edge.hurries and not internal.count:
            continue
        guard = f" [{guard_name(internal.edge)}]" if internal.edge.guard else ""
        times = f" ×{internal.count}" if internal.count else ""  # noqa: RUF001  # the sign is meant
        hurry = f" (leaves {seconds(HURRIED_CLOSING_S)})" if internal.edge.hurries else ""
        yield f"{internal.edge.event}{guard}{times}{hurry}"
    if box.records_the_rest:
        yield "any other event"


def records_line(box: Box) -> str:
    """`records resource_lost, resource_recovered`; empty for a state that records nothing."""
    events = ", ".join(internal_events(box))
    return f"records {events}" if events else ""


def time_in(box: Box) -> str:
    """The time that the job spent in a state, over all of its visits."""
    known = [visit.seconds for visit in box.visits if visit.seconds is not None]
    times = f"{len(box.visits)} visits, " if len(box.visits) > 1 else ""
    return times + spent(sum(known)) if known else ""


def box_lines(view: View, box: Box) -> list[str]:
    """A state in words, for the formats that lay it out themselves: its name comes first."""
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
    """The labels of an arrow; a label that the job took says which visit it led to."""
    return [
        (f"to {', '.join(map(str, label.led_to))}: " if label.led_to else "") + label.text
        for label in arrow.labels
    ]
