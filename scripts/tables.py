"""Tables of the lifecycle, the settings, the resources, the faults and the exit codes.

The tables stand in docs/reference/, and are generated from the code that declares their content.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Final

from scripts.markdown import table
from scripts.source import members_of
from states import BUDGETS, EDGES, Edge, Outcome, Phase, Reason, State
from worker.cli.common import ExitCode
from worker.cli.faults import fault_rows
from worker.cli.resources import resource_rows
from worker.config.settings import Settings, shown, variable_of
from worker.env.group import help_texts
from worker.faults import grammar
from worker.faults.points import Kind
from worker.interview.ends import ENDS, MEANINGS

_REPOSITORY: Final = Path(__file__).parents[1]

#: Defaults that depend on the machine, as text.
_COMPUTED: Final = {
    "data_dir": "the user's data folder",
    "slots": "two per processor of the container, if its memory suffices",
    "idle_processes": "2, or 1 with one slot",
}


def lifecycle_table() -> str:
    """Return the table of all edges that change the state.

    An edge that all states before CLOSING share appears only once.
    """
    from_anywhere = {
        (edge.event, edge.reason)
        for edge in EDGES
        if edge.source is State.HANDSHAKE and _everywhere(edge)
    }
    rows = [
        (f"`{edge.source}`", _event(edge), _target(edge))
        for edge in EDGES
        if edge.target is not None and (edge.event, edge.reason) not in from_anywhere
    ]
    rows += [
        ("any state before `CLOSING`", _event(edge), _target(edge))
        for edge in EDGES
        if edge.source is State.HANDSHAKE and (edge.event, edge.reason) in from_anywhere
    ]
    return table(("state", "event", "next state"), rows)


def _everywhere(edge: Edge) -> bool:
    live = [state for state in State if state.phase < Phase.CLOSING]
    same = [
        e for e in EDGES if (e.event, e.target, e.reason) == (edge.event, edge.target, edge.reason)
    ]
    return {e.source for e in same} >= set(live)


def _event(edge: Edge) -> str:
    cause = f"*after {BUDGETS[edge.source]:g} s*" if edge.is_timeout else f"`{edge.event}`"
    guard = f" if {edge.guard.__name__.replace('_', ' ')}" if edge.guard else ""
    return cause + guard


def _target(edge: Edge) -> str:
    end = f", {edge.outcome} / {edge.reason}" if edge.reason else ""
    if edge.is_declared:
        end = ", as the application declares"
    return f"`{edge.target}`{end}"


def states_table() -> str:
    """Return the table of the states, with the time limit and the phase of each."""
    meanings = members_of(_REPOSITORY, "states.table", "State")
    rows = (
        (
            f"`{state}`",
            meanings[state.name],
            _limit(state),
            state.phase.name.lower(),
        )
        for state in State
    )
    return table(("state", "meaning", "time limit", "phase"), rows)


def _limit(state: State) -> str:
    if state.budget is None:
        return "none"
    only = ", while its clock runs" if state.budget.pausable else ""
    return f"{state.budget.seconds:g} s{only}"


def outcomes_table() -> str:
    """Return the table of the outcomes and their meanings."""
    meanings = members_of(_REPOSITORY, "states.outcomes", "Outcome")
    return table(("outcome", "meaning"), ((f"`{o}`", meanings[o.name]) for o in Outcome))


def reasons_table() -> str:
    """Return the table of reasons and their meanings."""
    return table(("reason", "meaning"), ((f"`{r}`", r.meaning) for r in Reason))


def ends_table() -> str:
    """Return the table of the ends that the dialogue of an interview decides."""
    rows = ((f"`{end.reason}`", f"`{end.outcome}`", MEANINGS[name]) for name, end in ENDS.items())
    return table(("reason", "outcome", "meaning"), rows)


def resources_table() -> str:
    """Return the table of an interview's resources, including the optional turn detector."""
    rows = (
        (f"`{r['name']}`", f"{r['budget_s']:g} s", r["loss"], r["noticed"])
        for r in resource_rows(Settings.model_construct(turn_detector="local"))
    )
    return table(("resource", "budget", "without it", "the candidate notices"), rows)


def settings_groups() -> list[tuple[type, list[str]]]:
    """Return the classes that declare settings, each with the names of its settings.

    The order is that of `Settings.model_fields`: the fields of the last base class come first.
    """
    groups = [
        (group, [name for name in inspect.get_annotations(group) if name in Settings.model_fields])
        for group in reversed(Settings.__mro__)
    ]
    return [(group, names) for group, names in groups if names]


def settings_tables() -> str:
    """Return a heading and a table for each class that declares settings."""
    return "\n".join(_settings_section(group, names) for group, names in settings_groups())


def _settings_section(group: type, names: list[str]) -> str:
    summary, _, more = inspect.cleandoc(group.__doc__ or group.__name__).partition("\n\n")
    title = " ".join(summary.split()).removeprefix("Settings of ").removesuffix(".")
    text = f"{more}\n\n" if more else ""
    defaults = Settings.model_construct()  # the settings if no environment variable is set
    helps = help_texts(Settings)
    rows = (
        (
            f"`{variable_of(name)}`",
            _COMPUTED.get(name) or shown(getattr(defaults, name)),
            helps[name],
        )
        for name in names
    )
    heading = f"## {title[:1].upper()}{title[1:]}\n\n"
    return heading + text + table(("variable", "default", "description"), rows)


def exit_codes_table() -> str:
    """Return the table of the commands' exit codes and their meanings."""
    meanings = {
        ExitCode.OK: "done",
        ExitCode.FAILED: "failed, for a reason that has no exit code of its own",
        ExitCode.USAGE: "the command line, a setting or a plan is wrong",
        ExitCode.NOT_FOUND: "there is no such interview, job or file, or no dialogue in a job",
        ExitCode.LIVEKIT_REFUSED: "LiveKit refused the key",
        ExitCode.UNAVAILABLE: "LiveKit or the database is unavailable; trying again may help",
        ExitCode.TAKEN: "a port or a name is in use, or a folder cannot be written",
        ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
    }
    return table(("exit code", "meaning"), ((str(int(c)), meanings[c]) for c in ExitCode))


def faults_table() -> str:
    """Return the table of fault points, with the kinds of fault that each point supports."""
    rows = (
        (_places(row), row["what"], " ".join(f"`{kind}`" for kind in row["kinds"]))
        for row in fault_rows()
    )
    return table(("point", "what happens there", "kinds"), rows)


def _places(row: dict[str, Any]) -> str:
    names = ", ".join(f"`.{name}`" for name in row["names"])
    return f"`{row['point']}`" + (f" ({names})" if names else "")


def kinds_table() -> str:
    """Return the table of the kinds of fault and their effects."""
    return table(("kind", "effect"), ((f"`{kind}`", kind.text) for kind in Kind))


def fault_grammar() -> str:
    """Return the grammar of INTERVIEW_FAULTS, as a block of text."""
    _, _, rules = inspect.cleandoc(grammar.__doc__ or "").partition("\n\n")
    return f"```text\n{rules.strip()}\n```\n"
