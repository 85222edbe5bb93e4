"""The reference of the commands: each command with all of its arguments and options."""

from __future__ import annotations

from scripts.commands import command_sections, commands

SHOWN = command_sections()


def section(name: str) -> str:
    """Return the section of a command."""
    _, _, after = SHOWN.partition(f"## `{name}`\n")
    return after.partition("\n## ")[0]


def test_every_command_and_group_has_a_section_with_its_help() -> None:
    for name, command in commands():
        assert command.help.splitlines()[0] in section(name), name


def test_a_group_comes_before_its_commands() -> None:
    names = [name for name, _ in commands()]
    assert names.index("interview-worker jobs") < names.index("interview-worker jobs ship")


def test_the_usage_shows_which_arguments_are_needed() -> None:
    assert "interview-worker interviews show [OPTIONS] INTERVIEW\n" in SHOWN
    assert "interview-worker health [OPTIONS] [PROBE]\n" in SHOWN
    assert "interview-worker jobs ship [JOURNALS...]\n" in SHOWN
    assert "```text\ninterview-worker start\n```" in SHOWN


def test_an_option_has_its_values_and_its_default() -> None:
    listed = section("interview-worker interviews list")
    assert "| `--limit` | a whole number from 1 to 10000 | `100` | Maximum number" in listed
    assert "| `--json` |  |  | Print JSON. |" in listed
    drawn = section("interview-worker diagram")
    assert "| `--format` | `mermaid`, `dot`, `svg`, `png` | `mermaid` |" in drawn
    assert "| `--candidate` | text | required |" in section("interview-worker interviews create")


def test_no_path_of_this_machine_is_shown() -> None:
    assert "/" not in section("interview-worker interviews create")
