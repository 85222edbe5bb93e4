"""`interview-worker faults`: the fault points and kinds of INTERVIEW_FAULTS."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from states import State
from worker.cli.common import print_json
from worker.cli.tables import add_row
from worker.faults.points import POINTS, Kind

_HOW = """\
INTERVIEW_FAULTS="load.vad=hang; tts.elevenlabs=raise:401@2; process=kill@running"
INTERVIEW_ALLOW_FAULTS=1

point=kind[:argument][@n | @state], separated by semicolons. The name of a family alone, such as
load, stands for all of its members. @2 limits the fault to the second time that a process passes
the point. @state limits it to a state of the job: {states}.
"""


def faults(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the points where faults can be injected, the kinds of fault, and how to set them."""
    if as_json:
        print_json(fault_rows())
        return
    console = Console(markup=False, highlight=False)
    points = Table("point", "what happens there", "kinds", box=None, pad_edge=False)
    for row in fault_rows():
        add_row(points, row["point"], row["what"], " ".join(row["kinds"]))
        if row["names"]:
            add_row(points, "", f"  {row['point']}. {' '.join(row['names'])}", "")
    kinds = Table("kind", "what it does", box=None, pad_edge=False)
    for kind in Kind:
        add_row(kinds, kind, kind.text)
    states = ", ".join(state.lower() for state in State)
    console.print(points, "", kinds, "", _HOW.format(states=states), sep="\n")


def fault_rows() -> list[dict[str, Any]]:
    """Return the table of fault points as data."""
    # Import the module only for its effect: it adds the resources of an interview to the fault
    # point `load`. The import takes a second, because it includes livekit-agents.
    import worker.interview.resources  # noqa: F401  # for its effect

    return [
        {
            "point": point.point,
            "names": list(point.members),
            "what": point.what,
            "kinds": [kind.value for kind in point.kinds],
            "takes_number": point.counted,
            "takes_state": point.in_states,
            "raises": point.raises[0] if point.raises else None,
        }
        for point in POINTS
    ]
