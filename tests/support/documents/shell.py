"""Splits the shell text of documents into simple commands.

This is no complete parser: it knows comments, continued lines, here-documents, quotes, operators,
redirections and `$(...)`, which is what documents use.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE_DOCUMENT: Final = re.compile(r"(?<!<)<<-?\s*(['\"]?)(\w+)\1")
#: A line up to its comment. A quote that the line does not close ends the match too.
_CODE: Final = re.compile(
    r"""(?:\s*(?!\#)(?:[^\s'"\\] | \\. | '[^']*' | "(?:\\.|[^"\\])*")+)*""", re.VERBOSE
)
#: The number of a file descriptor before a redirection.
_DESCRIPTOR: Final = re.compile(r"(?<!\S)\d(?=[<>])")
_SUBSTITUTION: Final = re.compile(r"\$\(([^()]*)\)")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*\+?=")
#: Words that stand before a command.
_BEFORE: Final = frozenset(
    ("!", "{", "if", "then", "else", "elif", "while", "until", "do", "env", "exec", "time", "nohup")
)
_OPERATORS: Final = frozenset("();<>|&")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A simple command, without the assignments before it."""

    line: int
    words: tuple[str, ...]


def commands_of(text: str, first: int = 1) -> Iterator[Command]:
    """Yield the simple commands of a text. `first` is the number of the text's first line."""
    for line, code in _logical_lines(text, first):
        for words in simple_commands(code):
            yield Command(line=line, words=words)


def simple_commands(line: str) -> list[tuple[str, ...]]:
    """Return the simple commands of one line, including those in `$(...)`."""
    found = _CODE.match(line)
    lexer = shlex.shlex(
        _DESCRIPTOR.sub("", found[0] if found else ""), posix=True, punctuation_chars=True
    )
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    nested: list[tuple[str, ...]] = []
    names_a_file = False
    for word in lexer:
        if word and set(word) <= _OPERATORS:
            names_a_file = not set(word) & set("();|") and bool(set(word) & set("<>"))
            if not names_a_file:
                commands.append([])
        elif names_a_file:
            names_a_file = False
        else:
            commands[-1].append(word)
            # Only a quoted word contains the operators of a substitution.
            for code in _SUBSTITUTION.findall(word):
                nested += simple_commands(code)
    return [words for words in (*map(_command, commands), *nested) if words]


def _command(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words from the name of the command on."""
    for place, word in enumerate(words):
        if word not in _BEFORE and not _ASSIGNMENT.match(word):
            return tuple(words[place:])
    return ()


def _logical_lines(text: str, first: int) -> Iterator[tuple[int, str]]:
    """Yield each line with the lines that continue it, without the bodies of here-documents."""
    lines = iter(enumerate(text.split("\n"), first))
    for number, line in lines:
        whole = line
        while whole.endswith("\\"):
            whole = f"{whole[:-1]} {next(lines, (0, ''))[1]}"
        yield number, whole
        for _, end in _HERE_DOCUMENT.findall(whole):
            for _, body in lines:
                if body.strip() == end:
                    break
