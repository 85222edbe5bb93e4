"""Writes the lifecycle as a Mermaid flowchart, which GitHub renders inside a README.

The output is a flowchart, not a state diagram, because only flowcharts have dashed and red arrows
(https://mermaid.js.org/syntax/flowchart.html).
"""

from __future__ import annotations

from collections.abc import Iterator

from states.render.lines import arrow_lines, box_lines, junctions, links, source_name
from states.render.scene import PALETTES
from states.render.view import Arrow, View
from states.table import State

_RED = PALETTES["light"]["failure"].stroke
_WAY = PALETTES["light"]["way-event"].stroke
#: A line colour that is visible on dark and on light pages.
_GREY = "#818b98"


def write(view: View) -> str:
    """Return the view as a Mermaid flowchart. The output is byte-identical on every computer."""
    lines = [
        *([f"---\ntitle: {_quoted(view.title)}\n---"] if view.of_a_job else []),
        "%% Solid: an event. Dashed: the state's budget ran out. Red: the job has failed.",
        '%%{init: {"flowchart": {"wrappingWidth": 420, "rankSpacing": 40}}}%%',
        "flowchart TB",
        *_states(view),
        *(_arrow(view, arrow) for arrow in view.arrows),
        *(f"    linkStyle {n} {style}" for n, style in enumerate(_styles(view))),
        f"    classDef visited stroke:{_WAY},stroke-width:3px",
        f"    classDef broken stroke:{_RED},stroke-width:3px",
        "    classDef untaken opacity:0.5",
        *_classes(view),
        *(f"    %% Taken, but not in this table: {stray}" for stray in view.strays),
        *(f"    %% Without {name}: {means}" for name, means in view.losses.items()),
    ]
    return "\n".join(lines) + "\n"


def _states(view: View) -> Iterator[str]:
    """Yield the states, and a junction for each group of states.

    A junction replaces a Mermaid subgraph, because the labels of a subgraph's arrows would overlap.
    """
    yield from (f"    {_state(view, state)}" for state in view.boxes)
    for name, words in junctions(view).items():
        yield f"    {name}{{{{{_quoted(words)}}}}}"
    yield from (f"    {state} --- {junction}" for state, junction in links(view))


def _state(view: View, state: State) -> str:
    first, *rest = box_lines(view, view.boxes[state])
    text = _quoted("<br/>".join([f"<b>{first}</b>", *rest]))
    return f"{state}([{text}])" if state is view.end else f"{state}[{text}]"


def _arrow(view: View, arrow: Arrow) -> str:
    # Arrows to CLOSING, which run side by side, are one rank longer than others, so that their
    # labels do not overlap.
    kind = "-..->" if arrow.is_timeout else "--->"
    if arrow.target is not view.closing:
        kind = kind.replace("--->", "-->").replace("-..", "-.")
    # With non-breaking spaces, Mermaid does not wrap the label.
    text = _quoted("<br/>".join(arrow_lines(arrow)).replace(" ", "\u00a0"))
    return f"    {source_name(view, arrow)} {kind}|{text}| {arrow.target}"


def _styles(view: View) -> Iterator[str]:
    """Yield the style of each link, in the order of the links."""
    yield from (f"stroke:{_GREY},stroke-width:1.5px" for _ in links(view))
    yield from (_style(view, arrow) for arrow in view.arrows)


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
    """Quote a text. Quotation marks inside the text become entities, as Mermaid requires."""
    return '"' + text.replace('"', "#quot;") + '"'
