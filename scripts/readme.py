"""Generates the README's tables, diagrams/, docs/reference/metrics.md and the alert rules from the code.

`python -m scripts.readme` updates all of them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from scripts.diagrams import drawings
from scripts.markdown import table
from states import BUDGETS, EDGES, Edge, Outcome, Phase, Reason, State
from worker.cli.common import ExitCode
from worker.cli.faults import fault_rows
from worker.cli.resources import resource_rows
from worker.config.settings import Settings, shown, variable_of
from worker.faults.points import Kind
from worker.interview.resources import interview_meanings
from worker.providers.settings_group import help_texts
from worker.telemetry.alerts import rules_file
from worker.telemetry.catalog import FIGURES

_SECTION = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def lifecycle_table() -> str:
    """Return the table of all edges that change the state.

    An edge that every state before CLOSING has appears only once.
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


def reasons_table() -> str:
    """Return the table of reasons and their meanings."""
    return table(("reason", "meaning"), ((f"`{r}`", r.meaning) for r in Reason))


def resources_table() -> str:
    """Return the table of an interview's resources, including the optional turn detector."""
    rows = (
        (f"`{r['name']}`", f"{r['budget_s']:g} s", r["loss"], r["noticed"])
        for r in resource_rows(Settings.model_construct(turn_detector="local"))
    )
    return table(("resource", "budget", "without it", "the candidate notices"), rows)


def settings_table() -> str:
    """Return the table of settings and their defaults."""
    defaults = _defaults()
    computed = {"data_dir": "the user's data folder", "slots": "two per processor"}
    rows = (
        (
            f"`{variable_of(name)}`",
            computed.get(name) or shown(getattr(defaults, name)),
            help_line,
        )
        for name, help_line in help_texts(Settings).items()
    )
    return table(("variable", "default", "description"), rows)


def exit_codes_table() -> str:
    """Return the table of the commands' exit codes and their meanings."""
    meanings = {
        ExitCode.OK: "done",
        ExitCode.FAILED: "failed, for a reason that has no exit code of its own",
        ExitCode.USAGE: "the command line, a setting or a plan is wrong",
        ExitCode.NOT_FOUND: "there is no such interview, job or file",
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


def outcomes_line() -> str:
    """Return all outcomes on one line."""
    return ", ".join(f"`{outcome}`" for outcome in Outcome) + "\n"


TABLES = {
    "lifecycle": lifecycle_table,
    "reasons": reasons_table,
    "resources": resources_table,
    "settings": settings_table,
    "exit_codes": exit_codes_table,
    "outcomes": outcomes_line,
    "faults": faults_table,
    "fault_kinds": kinds_table,
}


def _defaults() -> Settings:
    """Return the settings that apply if no environment variable is set."""
    return Settings.model_construct()


def up_to_date(text: str) -> str:
    """Return the README with all generated tables updated.

    Raises KeyError if the README names a table that is not in `TABLES`.
    """
    return _SECTION.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}{m[3]}", text)


def metrics_page() -> str:
    """Return the text of docs/reference/metrics.md, the table of all metrics."""
    rows = (
        (f"`{each.shown_as}`", each.kind, ", ".join(f"`{n}`" for n in each.labels), each.means)
        for each in FIGURES
    )
    return (
        "# Metrics\n\nThe metrics of `/metrics`, generated from "
        "[worker/telemetry/catalog.py](../../worker/telemetry/catalog.py). All but the gauges are "
        "counted from the journals, so killed jobs are included. Durations are in seconds.\n\n"
        + table(("name", "kind", "labels", "meaning"), rows)
    )


def drawn() -> dict[str, str]:
    """Return the text of every generated file except the README, by path in the repository."""
    diagrams = drawings(interview_meanings())
    return {f"diagrams/{name}": text for name, text in diagrams.items()} | {
        "docs/reference/metrics.md": metrics_page(),
        "deploy/prometheus/interview-worker.rules.yml": rules_file(),
    }


if __name__ == "__main__":
    repository = Path(__file__).parent.parent
    readme = repository / "README.md"
    readme.write_text(up_to_date(readme.read_text(encoding="utf-8")), encoding="utf-8")
    for name, text in drawn().items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8", newline="\n")
