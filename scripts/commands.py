"""Generates the commands of docs/reference/commands.md from the typer app of the worker."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from scripts.markdown import cell, table
from worker.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = "interview-worker"
#: What a parameter accepts, by its type. The type of any other parameter is text.
_ACCEPTED: Final[dict[object, str]] = {
    Path: "a path",
    list[Path]: "paths",
    int: "a whole number",
    float: "a number",
}


def command_sections() -> str:
    """Return a section for each command, with its help, its usage, its arguments and options."""
    return "\n".join(_section(name, command) for name, command in commands())


# typer has its own copy of click, whose classes are private: hence `Any` for them.
def commands() -> Iterator[tuple[str, Any]]:
    """Yield each command and each group of commands by full name, a group before its commands."""
    yield from _inside(_NAME, typer.main.get_command(app))


def _inside(name: str, group: Any) -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        full = f"{name} {word}"
        yield full, command
        if hasattr(command, "commands"):
            yield from _inside(full, command)


def _section(name: str, command: Any) -> str:
    heading = f"## `{name}`\n\n{(command.help or '').strip()}\n"
    if hasattr(command, "commands"):
        return heading
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    words = [name, *(["[OPTIONS]"] if options else []), *map(_placeholder, arguments)]
    parts = [heading, f"\n```text\n{' '.join(words)}\n```\n"]
    if command.params:
        rows = (_row(each) for each in (*arguments, *options))
        head = ("argument or option", "value", "default", "meaning")
        parts += ["\n", table(head, rows)]
    return "".join(parts)


def _placeholder(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _row(parameter: Any) -> tuple[str, str, str, str]:
    is_argument = parameter.param_type_name == "argument"
    names = [parameter.name.upper()] if is_argument else parameter.opts
    return (
        ", ".join(f"`{name}`" for name in names),
        _value(parameter),
        "required" if parameter.required else _default(parameter.default),
        cell(parameter.help or ""),
    )


def _value(parameter: Any) -> str:
    """Return the values that a parameter accepts; empty for an option without a value."""
    if getattr(parameter, "is_flag", False):
        return ""
    accepted = parameter.type_descriptor
    if accepted.choices is not None:
        return ", ".join(f"`{_text(choice)}`" for choice in accepted.choices)
    kind = _ACCEPTED.get(accepted.annotation, "text")
    if parameter.min is None or parameter.max is None:
        return kind
    return f"{kind} from {parameter.min:g} to {parameter.max:g}"


def _default(value: Any) -> str:
    """Return a default as text; empty if the help names it, and for an option without a value."""
    if value is None or isinstance(value, (bool, Path)):
        return ""
    return f"`{_text(value)}`"


def _text(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)
