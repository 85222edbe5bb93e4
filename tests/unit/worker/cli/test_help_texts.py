"""Examples in the help, and the order of the commands in `--help`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from typer.testing import CliRunner

from worker.cli.app import app
from worker.cli.help_texts import EXAMPLES, PANELS, examples

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Columns of a terminal of 80 columns that an example may take.
WIDTH = 76


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, as it is typed."""
    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        inside = getattr(command, "commands", {})
        waiting += [(f"{name} {word}".strip(), each) for word, each in inside.items()]
        if not inside:
            yield name, command


COMMANDS = dict(commands())
LINES = [(command, line) for command, lines in EXAMPLES.items() for line in lines]


def test_every_command_has_one_to_three_examples() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    assert {len(lines) for lines in EXAMPLES.values()} <= {1, 2, 3}
    for name, command in COMMANDS.items():
        assert command.epilog == examples(name)


@pytest.mark.parametrize(("command", "line"), LINES)
def test_every_example_is_a_valid_command_line_of_one_line(command: str, line: str) -> None:
    words = shlex.split(line)
    typed = words[words.index("interview-worker") + 1 :]
    path = command.split()
    assert typed[: len(path)] == path
    COMMANDS[command].make_context(command, typed[len(path) :])
    assert len(line) <= WIDTH


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_help_of_a_command_shows_its_examples_unbroken(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [*command.split(), "--help"]).stdout
    printed = [line.rstrip() for line in shown.splitlines()]
    for line in EXAMPLES[command]:
        assert f"   {line}" in printed


def test_the_help_lists_the_commands_in_the_order_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["--help"]).stdout
    order = [name for names in PANELS.values() for name in names]
    places = [shown.index(f"│ {name} ") for name in order]
    assert places == sorted(places)
    for panel in PANELS:
        assert panel in shown


def test_every_command_is_in_one_panel() -> None:
    listed = [name for names in PANELS.values() for name in names]
    assert sorted(listed) == sorted({name.split()[0] for name in COMMANDS})


def test_every_command_that_can_be_called_is_listed() -> None:
    inside = typer.main.get_group(app).commands
    assert len(inside) == len(list(inside)), "worker.cli.app has a command that no panel lists"


@pytest.mark.parametrize(
    ("name", "summary"), [each for names in PANELS.values() for each in names.items()]
)
def test_a_summary_is_the_first_sentence_of_the_commands_own_help(name: str, summary: str) -> None:
    command = typer.main.get_group(app).commands[name]
    text = " ".join(str(command.help).split("\n\n")[0].split())
    assert text == summary or text.startswith(f"{summary} ")


def test_a_command_that_does_not_exist_is_answered_with_a_similar_one() -> None:
    shown = CliRunner().invoke(app, ["helth"])
    assert shown.exit_code == 2
    assert "health" in shown.stderr
