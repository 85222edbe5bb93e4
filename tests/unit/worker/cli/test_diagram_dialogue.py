"""`interview-worker diagram --dialogue`."""

from __future__ import annotations

from typer.testing import CliRunner

from worker.cli.app import app
from worker.cli.common import CommandError, ExitCode


def test_the_dialogue_is_drawn_as_svg() -> None:
    shown = CliRunner().invoke(app, ["diagram", "--dialogue", "--format", "svg"])
    assert shown.exit_code == 0
    assert "CLARIFYING" in shown.output


def test_the_dialogue_has_no_drawing_in_another_format() -> None:
    shown = CliRunner().invoke(app, ["diagram", "--dialogue", "--format", "dot"])
    assert isinstance(shown.exception, CommandError)
    assert shown.exception.code is ExitCode.USAGE
