"""Writes the lifecycle in the DOT language, for Graphviz and other tools that read DOT.

The output has no fixed positions, so Graphviz computes the layout
(https://graphviz.org/doc/info/lang.html). Arrows common to a group of states start at a junction,
which is drawn as a hexagon with the names of the states.
"""

from __future__ import annotations

from collections.abc import Iterator

from states.render.lines import arrow_lines, box_lines, junctions, links, source_name
from states.render.scene import PALETTES
from states.render.view import Arrow, View
from states.table import State

_LOOKS = PALETTES["light"]
_GREY = f'color="{_LOOKS["event"].stroke}"'


def write(view: View) -> str:
    """Return the view as a DOT digraph. The output is byte-identical on every computer."""
    title = [f"    label={_quoted(view.title)} labelloc=t"] if view.of_a_job else []
    lines = [
        "// Solid: an event. Dashed: the state's budget ran out. Red: the job has failed.",
        "digraph lifecycle {",
        "    rankdir=TB nodesep=0.3 ranksep=0.45",
        *title,
        '    fontname="Helvetica" fontsize=12',
        '    node [shape=box style="rounded,filled" fillcolor=white fontname="Helvetica"'
        " fontsize=12]",
        '    edge [fontname="Helvetica" fontsize=10]',
        *_states(view),
        *(_arrow(view, arrow) for arrow in view.arrows),
        *(f"    // Taken, but not in this table: {stray}" for stray in view.strays),
        *(f"    // Without {name}: {means}" for name, means in view.losses.items()),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _states(view: View) -> Iterator[str]:
    yield from (f"    {_state(view, state)}" for state in view.boxes)
    for name, words in junctions(view).items():
        yield f"    {name} [label={_quoted(words)} shape=hexagon style=filled {_GREY}]"
    for state, junction in links(view):
        yield f"    {state} -> {junction} [arrowhead=none {_GREY}]"


def _state(view: View, state: State) -> str:
    box = view.boxes[state]
    css = "broken" if state is view.broken else "visited" if box.visits else "state"
    look = _LOOKS[css]
    grey = ' fontcolor="#59636e"' if view.of_a_job and not box.visits else ""
    label = _quoted("\n".join(box_lines(view, box)))
    return (
        f"{state} [label={label} color={_quoted(str(look.stroke))}"
        f" fillcolor={_quoted(str(look.fill))} penwidth={look.width}{grey}]"
    )


def _arrow(view: View, arrow: Arrow) -> str:
    kind = "failure" if arrow.is_failure else "event"
    look = _LOOKS[("way-" if arrow.taken else "") + kind]
    text = _LOOKS["red-text" if arrow.is_failure else "text"].fill
    dim = "6b" if view.of_a_job and not arrow.taken else ""
    lines = "".join(f"  {_escaped(line)}\\l" for line in arrow_lines(arrow))
    return (
        f'    {source_name(view, arrow)} -> {arrow.target} [label="{lines}"'
        f' style={"dashed" if arrow.is_timeout else "solid"} color="{look.stroke}{dim}"'
        f' fontcolor="{text}{dim}" penwidth={look.width}]'
    )


def _quoted(text: str) -> str:
    return '"' + _escaped(text) + '"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
