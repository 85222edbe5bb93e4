"""`interview-worker --version`."""

from __future__ import annotations

import re
from importlib import metadata

from typer.testing import CliRunner

from worker.cli.app import app
from worker.cli.version import version_line
from worker.store.schema import generation, known_migrations


def test_the_option_prints_one_line_and_runs_no_command() -> None:
    shown = CliRunner().invoke(app, ["--version", "start"])
    assert (shown.exit_code, shown.output) == (0, f"{version_line()}\n")


def test_the_line_names_the_version_the_schema_and_livekit_agents() -> None:
    named = re.fullmatch(
        r"interview-worker (\S+) \(schema generation (\d+), migration (\d{4}),"
        r" livekit-agents (\S+)\)",
        version_line(),
    )
    assert named is not None
    newest = known_migrations()[-1].version
    assert named[1] == metadata.version("interview-worker")
    assert (int(named[2]), int(named[3])) == (generation(newest), newest)
    assert named[4] == metadata.version("livekit-agents")


def test_without_a_command_the_help_is_printed_as_before() -> None:
    shown = CliRunner().invoke(app, [])
    assert "Hold voice interviews in LiveKit rooms" in shown.output
    assert "Take the options" not in shown.output
