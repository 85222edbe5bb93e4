"""Writes the lifecycle as a Mermaid flowchart, which GitHub draws where it stands in a README.

A flowchart rather than a state diagram: only there can an arrow be dashed or red
(https://mermaid.js.org/syntax/flowchart.html).
"""

from __future__ import annotations

from collections.abc import Iterator

from states.render.lines import arrow_lines, box_lines
from states.render.scene import PALETTES
from states.render.view import Arrow, View
from states.table import State

_RED = PALETTES["light"]["failure"].stroke
_WAY = PALETTES["light"]["way-event"].stroke
#: A line that a dark and a light page both show.
_GREY = "#818b98"


def write(view: View) -> str:
    """The view as a flowchart, the same bytes on every machine."""
    lines = [
        *([f"---\ntitle: {_quoted(view.title)}\n---"] if view.of_a_job else []),
        "%% Solid: an event. Dashed: the state's budget ran out. Red: the job has failed.",
        "flowchart TB",
        *_states(view),
        *(_arrow(view, arrow) for arrow in view.arrows),
        *(f"    linkStyle {n} {_style(view, arrow)}" for n, arrow in enumerate(view.arrows)),
        f"    classDef visited stroke:{_WAY},stroke-width:3px",
        f"    classDef broken stroke:{_RED},stroke-width:3px",
        "    classDef untaken opacity:0.5",
        *_classes(view),
        *(f"    %% Taken, but not in this table: {stray}" for stray in view.strays),
    ]
    return "\n".join(lines) + "\n"


def _states(view: View) -> Iterator[str]:
    """Each state once, in the innermost group that has it."""
    inner = view.groups[1] if len(view.groups) > 1 else ()
    yield f'    subgraph live["any state before {view.closing}"]'
    for state in view.live:
        if state not in inner:
            yield f"        {_state(view, state)}"
    if inner:
        yield '        subgraph shared["one shared deadline"]'
        yield from (f"            {_state(view, state)}" for state in inner)
        yield "        end"
    yield "    end"
    yield from (f"    {_state(view, s)}" for s in view.boxes if s not in view.live)


def _state(view: View, state: State) -> str:
    first, *rest = box_lines(view, view.boxes[state])
    text = _quoted("<br/>".join([f"<b>{first}</b>", *rest]))
    return f"{state}([{text}])" if state is view.end else f"{state}[{text}]"


def _arrow(view: View, arrow: Arrow) -> str:
    kind = "-.->" if arrow.is_timeout else "-->"
    text = _quoted("<br/>".join(arrow_lines(arrow)))
    return f"    {_source(view, arrow)} {kind}|{text}| {arrow.target}"


def _source(view: View, arrow: Arrow) -> str:
    if arrow.sources == view.live and len(view.live) > 1:
        return "live"
    return arrow.sources[0] if len(arrow.sources) == 1 else "shared"


def _style(view: View, arrow: Arrow) -> str:
    colour = _RED if arrow.is_failure else _WAY if arrow.taken else _GREY
    width = 4 if arrow.taken else 1.5
    text = f",color:{_RED}" if arrow.is_failure else ""
    dim = ",opacity:0.5" if view.of_a_job and not arrow.taken else ""
    return f"stroke:{colour},stroke-width:{width}px{text}{dim}"


def _classes(view: View) -> Iterator[str]:
    if view.of_a_job:
        for state, box in view.boxes.items():
            name = "broken" if state is view.broken else "visited" if box.visits else "untaken"
            yield f"    class {state} {name}"


def _quoted(text: str) -> str:
    """Mermaid's own entity for a quotation mark, the one sign that ends a quoted text."""
    return '"' + text.replace('"', "#quot;") + '"'
