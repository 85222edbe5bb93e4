"""Writes the lifecycle in the DOT language, for Graphviz and what reads its graphs.

Plain DOT with nothing pinned: the layout is Graphviz's
(https://graphviz.org/doc/info/lang.html). States of a group are a cluster, and an arrow of the
whole group starts at the cluster's border (`ltail`).
"""

from __future__ import annotations

from collections.abc import Iterator

from states.render.lines import arrow_lines, box_lines
from states.render.scene import PALETTES
from states.render.view import Arrow, View
from states.table import State

_LOOKS = PALETTES["light"]


def write(view: View) -> str:
    """The view as a digraph, the same bytes on every machine."""
    title = [f"    label={_quoted(view.title)} labelloc=t"] if view.of_a_job else []
    lines = [
        "// Solid: an event. Dashed: the state's budget ran out. Red: the job has failed.",
        "digraph lifecycle {",
        "    rankdir=LR compound=true nodesep=0.35 ranksep=1.1",
        *title,
        '    fontname="Helvetica" fontsize=12',
        '    node [shape=box style="rounded,filled" fillcolor=white fontname="Helvetica"'
        " fontsize=12]",
        '    edge [fontname="Helvetica" fontsize=10]',
        *_states(view),
        *(_arrow(view, arrow) for arrow in view.arrows),
        *(f"    // Taken, but not in this table: {stray}" for stray in view.strays),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _states(view: View) -> Iterator[str]:
    inner = view.groups[1] if len(view.groups) > 1 else ()
    yield "    subgraph cluster_live {"
    yield f'        label="any state before {view.closing}" style=rounded color="#d1d9e0"'
    yield from (f"        {_state(view, state)}" for state in view.live if state not in inner)
    if inner:
        yield "        subgraph cluster_shared {"
        yield '            label="one shared deadline"'
        yield from (f"            {_state(view, state)}" for state in inner)
        yield "        }"
    yield "    }"
    yield from (f"    {_state(view, s)}" for s in view.boxes if s not in view.live)


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
    lines = "".join(f"{_escaped(line)}\\l" for line in arrow_lines(arrow))
    tail = _tail(view, arrow)
    return (
        f'    {arrow.sources[-1]} -> {arrow.target} [label="{lines}"'
        f' style={"dashed" if arrow.is_timeout else "solid"} color="{look.stroke}{dim}"'
        f' fontcolor="{text}{dim}" penwidth={look.width}{tail}]'
    )


def _tail(view: View, arrow: Arrow) -> str:
    if len(arrow.sources) == 1:
        return ""
    return f" ltail=cluster_{'live' if arrow.sources == view.live else 'shared'}"


def _quoted(text: str) -> str:
    return '"' + _escaped(text) + '"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
