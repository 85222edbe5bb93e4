"""The drawing of the dialogue as text for other programs: a Mermaid flowchart, and Graphviz's DOT.

A target that depends on the state of the dialogue, such as the next question, is a node of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from states.render.scene import PALETTES
from worker.interview.dialogue.drawing_view import Arrow, Box, View, view

_LOOKS: Final = PALETTES["light"]
_WAY: Final = _LOOKS["way-event"].stroke
#: A line colour that is visible on dark and on light pages.
_GREY: Final = "#818b98"
_CHARS: Final = 40


def mermaid(shown: View | None = None) -> str:
    """Return the table of the dialogue, or a job's path in it, as a Mermaid flowchart."""
    shown = shown or view()
    arrows = [(box, arrow) for box in shown.boxes for arrow in box.arrows]
    lines = [
        *([f"---\ntitle: {_entities(shown.title)}\n---"] if shown.of_a_job else []),
        "%% Solid: an act of the candidate is among the causes. Dashed: only events are.",
        "flowchart LR",
        *(f"    {_node(box.name)}[{_entities(_label(box, '<br/>'))}]" for box in shown.boxes),
        *(f"    {_node(name)}([{_entities(name)}])" for name in _other_targets(shown)),
        *(_mermaid_arrow(box, arrow) for box, arrow in arrows),
        *(f"    linkStyle {n} {_style(shown, arrow)}" for n, (_, arrow) in enumerate(arrows)),
        f"    classDef visited stroke:{_WAY},stroke-width:3px",
        "    classDef untaken opacity:0.5",
        *(f"    class {_node(box.name)} {_class(box)}" for box in shown.boxes if shown.of_a_job),
        *(f"    %% Taken, but not in this version's table: {stray}" for stray in shown.strays),
    ]
    return "\n".join(lines) + "\n"


def dot(shown: View | None = None) -> str:
    """Return the table of the dialogue, or a job's path in it, in Graphviz's DOT language."""
    shown = shown or view()
    lines = [
        "// Solid: an act of the candidate is among the causes. Dashed: only events are.",
        "digraph dialogue {",
        "    rankdir=LR nodesep=0.3 ranksep=0.8",
        *([f"    label={_quoted(shown.title)} labelloc=t"] if shown.of_a_job else []),
        '    fontname="Helvetica" fontsize=12',
        '    node [shape=box style="rounded,filled" fillcolor=white fontname="Helvetica"'
        " fontsize=12]",
        '    edge [fontname="Helvetica" fontsize=10]',
        *(_dot_box(shown, box) for box in shown.boxes),
        *(
            f"    {_node(name)} [label={_quoted(name)} shape=plaintext]"
            for name in _other_targets(shown)
        ),
        *(_dot_arrow(shown, box, arrow) for box in shown.boxes for arrow in box.arrows),
        *(f"    // Taken, but not in this version's table: {stray}" for stray in shown.strays),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _other_targets(shown: View) -> list[str]:
    """Return the targets that are no phase, in the order of the arrows."""
    phases = {box.name for box in shown.boxes}
    targets = (arrow.target for box in shown.boxes for arrow in box.arrows)
    return [name for name in dict.fromkeys(targets) if name not in phases]


def _node(name: str) -> str:
    return name.replace(" ", "_")


def _label(box: Box, line_break: str) -> str:
    visits = [f"{box.visits} visit{'s' if box.visits > 1 else ''}"] if box.visits else []
    return line_break.join([box.name, *visits])


def _lines_of(arrow: Arrow) -> Iterator[str]:
    """Yield the lines of an arrow's label; the first line says how often a job took the arrow."""
    if arrow.taken:
        yield f"{arrow.taken}x"
    yield from wrap(arrow.text, _CHARS)


def _class(box: Box) -> str:
    return "visited" if box.on_the_path else "untaken"


def _mermaid_arrow(box: Box, arrow: Arrow) -> str:
    kind = "-.->" if arrow.of_events else "-->"
    text = _entities("<br/>".join(_lines_of(arrow)))
    return f"    {_node(box.name)} {kind}|{text}| {_node(arrow.target)}"


def _style(shown: View, arrow: Arrow) -> str:
    if arrow.taken:
        return f"stroke:{_WAY},stroke-width:4px"
    return f"stroke:{_GREY},stroke-width:1.5px" + (",opacity:0.5" if shown.of_a_job else "")


def _dot_box(shown: View, box: Box) -> str:
    look = _LOOKS["visited" if box.on_the_path else "state"]
    grey = f' fontcolor="{_GREY}"' if shown.of_a_job and not box.on_the_path else ""
    return (
        f"    {_node(box.name)} [label={_quoted(_label(box, chr(10)))}"
        f' color="{look.stroke}" fillcolor="{look.fill}" penwidth={look.width}{grey}]'
    )


def _dot_arrow(shown: View, box: Box, arrow: Arrow) -> str:
    look = _LOOKS["way-event" if arrow.taken else "event"]
    dim = "6b" if shown.of_a_job and not arrow.taken else ""
    label = "".join(f"{_escaped(line)}\\l" for line in _lines_of(arrow))
    return (
        f'    {_node(box.name)} -> {_node(arrow.target)} [label="{label}"'
        f" style={'dashed' if arrow.of_events else 'solid'}"
        f' color="{look.stroke}{dim}" fontcolor="{_LOOKS["text"].fill}{dim}"'
        f" penwidth={look.width}]"
    )


def _entities(text: str) -> str:
    """Quote a text. Quotation marks inside the text become entities, as Mermaid requires."""
    return '"' + text.replace('"', "#quot;") + '"'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
