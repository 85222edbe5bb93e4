"""What this version declares, without any run: settings, figures, migrations, alert rules."""

from __future__ import annotations

import hashlib
import shutil
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import typer.main

from states import Event, Outcome, Reason, State, Status
from tests.compat.capture.written import write_json
from tests.support.paths import REPOSITORY
from worker.cli.app import app
from worker.cli.common import ExitCode
from worker.config.settings import Settings, shown, variable_of
from worker.store.interviews import InterviewStatus
from worker.telemetry.catalog import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator

_RULES = REPOSITORY / "deploy/prometheus/interview-worker.rules.yml"
#: Settings whose default is worked out from the machine.
_COMPUTED = ("data_dir", "slots")


def describe(folder: Path) -> None:
    """Write what is declared into a fixture's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "settings.json", [_setting(name) for name in Settings.model_fields])
    write_json(
        folder / "figures.json",
        [
            {"name": each.name, "shown_as": each.shown_as, "type": each.kind, "labels": each.labels}
            for each in FIGURES
        ],
    )
    migrations = files("worker.store") / "migrations"
    write_json(
        folder / "migrations.json",
        {
            entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
            for entry in sorted(migrations.iterdir(), key=lambda entry: entry.name)
            if entry.name.endswith(".sql")
        },
    )
    write_json(folder / "names.json", declared_names())
    shutil.copyfile(_RULES, folder / "alert_rules.yml")


def _setting(name: str) -> dict[str, Any]:
    field = Settings.model_fields[name]
    default = None if name in _COMPUTED else shown(field.default)
    return {
        "variable": variable_of(name),
        "field": name,
        "default": default,
        "computed": name in _COMPUTED,
        "type": type_of(field.annotation),
    }


def type_of(annotation: Any) -> str | list[str]:
    """A setting's type in words, or the values that it may have."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return str(annotation).removeprefix("<class '").removesuffix("'>")


def declared_names() -> dict[str, Any]:
    """The words and numbers that are stored, printed, or typed at a prompt."""
    return {
        "exit_codes": {code.name: int(code) for code in ExitCode},
        "states": list(State),
        "events": list(Event),
        "outcomes": list(Outcome),
        "reasons": list(Reason),
        "condition_statuses": list(Status),
        "interview_statuses": list(InterviewStatus),
        "commands": dict(commands()),
    }


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command as it is typed, and its options and arguments."""
    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop(0)
        inside = getattr(command, "commands", {})
        waiting += [(f"{name} {word}".strip(), each) for word, each in inside.items()]
        if not inside:
            yield name, sorted(word for each in command.params for word in each.opts)
