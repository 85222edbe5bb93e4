"""Checks commands in documents against what exists: `interview-worker`, `make` and `python -m`.

A word in capitals (`JOB`), in angle brackets, or a shell variable stands for a value. `…` stands
for arguments that are left out.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from tests.support.documents.shell import simple_commands
from tests.support.paths import REPOSITORY
from worker.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAM: Final = "interview-worker"
_LEFT_OUT: Final = ("…", "...")
_HELP: Final = ("-h", "--help")
_PLACEHOLDER: Final = re.compile(r"[A-Z][A-Z0-9_-]*|\$(?:\w+|\{\w+\})?")
#: A value that every parameter accepts which is not a choice: a text, a path, a number.
_VALUE: Final = "1"
_ANGLE_BRACKETS: Final = re.compile(r"<[\w -]+>")
#: Brackets around what is optional, as in `plot [JOB]`, but not those of `interview-worker[dev]`.
_BRACKETS: Final = re.compile(r"(?<!\S)\[|\](?!\S)")
_TARGET: Final = re.compile(r"^([a-z][\w-]*):(?!=)", re.MULTILINE)


def _paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from _paths(child, (*path, name))


#: The commands of interview-worker by their names, such as `("jobs", "show")`; `()` is the program.
_COMMANDS: Final[dict[tuple[str, ...], Any]] = dict(_paths(get_command(app)))


def shell_problem(words: Sequence[str]) -> str | None:
    """Return what is wrong with a simple command of a `sh` fence; None if nothing is known."""
    arguments = arguments_of(words)
    if arguments is None:
        return _make_problem(words) or _module_problem(words)
    return usage_problem(arguments, complete=True)


def inline_problem(text: str) -> str | None:
    """Return what is wrong with a command in inline code; None if nothing is known.

    A command in inline code names a command or an option, so arguments and values may be left out
    (`interview-worker jobs show --json`), and the program too (`jobs show`). Alternatives may be
    separated by `|` (`interview-worker jobs list | show JOB`).
    """
    plain = _BRACKETS.sub(" ", _ANGLE_BRACKETS.sub("VALUE", text))
    first, *others = re.split(r"\s*\|+\s*", plain)
    problems: list[str | None] = []
    for words in simple_commands(first):
        given = arguments_of(words)
        if given is not None:
            problems.append(usage_problem(given, complete=False))
        elif _is_without_program(words):
            given = tuple(words)
            problems.append(usage_problem(given, complete=False))
        else:
            problems.append(_make_problem(words) or _module_problem(words))
            continue
        alternatives = (each for other in others for each in simple_commands(other))
        problems += [_alternative_problem(given, each) for each in alternatives]
    return next((problem for problem in problems if problem), None)


def arguments_of(words: Sequence[str]) -> tuple[str, ...] | None:
    """Return the arguments of interview-worker in a command; None for another command.

    `pip install interview-worker` does not; `docker exec NAME interview-worker health` does.
    """
    for place, word in enumerate(words):
        if word.rpartition("/")[2] != PROGRAM:
            continue
        begins = place == 0 or words[place - 1] == "--"
        if begins or tuple(words[place + 1 : place + 2]) in _named():
            return tuple(words[place + 1 :])
    place_of_module = _place_of_module(words)
    if place_of_module is not None and words[place_of_module] == "worker":
        return tuple(words[place_of_module + 1 :])
    return None


def usage_problem(arguments: Sequence[str], *, complete: bool) -> str | None:
    """Return what is wrong with arguments of interview-worker; None if it accepts them.

    If `complete` is False, or the arguments contain `…` or `--help`, required ones may be missing.
    """
    given = [word for word in arguments if word not in (*_LEFT_OUT, *_HELP)]
    complete = complete and len(given) == len(arguments)
    path = _path_of(given)
    command, shown = _COMMANDS[path], " ".join((PROGRAM, *path))
    rest = [_VALUE if _PLACEHOLDER.fullmatch(word) else word for word in given[len(path) :]]
    if isinstance(command, TyperGroup):
        return _group_problem(command, shown, rest, complete=complete)
    try:
        command.make_context(shown, rest)
    except typer.TyperException as error:
        message = error.format_message()
        if complete or not (message.startswith("Missing ") or "requires an argument" in message):
            return f"`{shown}`: {message}"
    return None


def _group_problem(
    group: TyperGroup, shown: str, rest: Sequence[str], *, complete: bool
) -> str | None:
    if not rest:
        return f"`{shown}` needs a command" if complete else None
    if rest[0] == _VALUE:  # any command, as in `interview-worker COMMAND --help`
        return None
    if not rest[0].startswith("-"):
        return f"`{shown}` has no command `{rest[0]}`"
    options = {name for each in group.params for name in (*each.opts, *each.secondary_opts)}
    return None if rest[0] in options else f"`{shown}` has no option `{rest[0]}`"


def _alternative_problem(given: Sequence[str], words: Sequence[str]) -> str | None:
    """Return what is wrong with an alternative to a command; None if it is another program."""
    path = _path_of(given)
    if words[0].startswith("-"):
        return usage_problem((*path, *words), complete=False)
    for depth in range(len(path) - 1, -1, -1):
        if (*path[:depth], words[0]) in _COMMANDS:
            return usage_problem((*path[:depth], *words), complete=False)
    return None


def _path_of(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the leading arguments that name a command."""
    depth = 0
    while depth < len(arguments) and tuple(arguments[: depth + 1]) in _COMMANDS:
        depth += 1
    return tuple(arguments[:depth])


@cache
def _named() -> frozenset[tuple[str, ...]]:
    """Return the names of the commands at the top, each as a path."""
    return frozenset(path for path in _COMMANDS if len(path) == 1)


def _is_without_program(words: Sequence[str]) -> bool:
    """Return whether the words are a command without its program, such as `jobs show JOB`."""
    if len(words) < 2 or tuple(words[:1]) not in _named():
        return False
    return isinstance(_COMMANDS[(words[0],)], TyperGroup) or words[1].startswith("--")


def _make_problem(words: Sequence[str]) -> str | None:
    if not words or words[0] != "make":
        return None
    named = [word for word in words[1:] if re.fullmatch(r"[a-z][\w-]*", word)]
    unknown = [word for word in named if word not in _targets()]
    return f"the Makefile has no target `{unknown[0]}`" if unknown else None


@cache
def _targets() -> frozenset[str]:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return frozenset(_TARGET.findall(makefile))


def _place_of_module(words: Sequence[str]) -> int | None:
    """Return the index of the module in `python -m MODULE`; None for another command."""
    if not words or not re.fullmatch(r"(?:.*/)?python[\d.]*", words[0]) or "-m" not in words[:-1]:
        return None
    return words.index("-m") + 1


def _module_problem(words: Sequence[str]) -> str | None:
    place = _place_of_module(words)
    if place is None or _PLACEHOLDER.fullmatch(words[place]):
        return None
    top, *below = words[place].split(".")
    package = REPOSITORY / top
    if (package / "__init__.py").exists():
        path = package.joinpath(*below)
        exists = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    else:
        exists = importlib.util.find_spec(top) is not None
    return None if exists else f"there is no module `{words[place]}`"
