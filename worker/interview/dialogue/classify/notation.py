"""The notation of the patterns, and its translation to regular expressions.

    could you (say|repeat) [that|it] again

`(a|b c)` is one of several, `[a|b]` may be absent, `{name}` is a macro, `_` is any word, and `*3`
are up to three words of any kind. There is no unbounded repetition, so a pattern takes a bounded
number of steps on a text of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_PARTS = re.compile(r"[()\[\]|]|\{\w+\}|\*\d|[^\s()\[\]|{}*]+")

#: The first word of a pattern that may begin with any word.
ANY = ""


@dataclass(frozen=True)
class _Piece:
    """A part of a pattern: its expression, its possible first words, whether it may be empty."""

    expression: str = ""
    first: frozenset[str] = frozenset()
    empty: bool = True

    def then(self, other: _Piece) -> _Piece:
        first = self.first | other.first if self.empty else self.first
        return _Piece(self.expression + other.expression, first, self.empty and other.empty)


@dataclass(frozen=True)
class Matcher:
    """A compiled pattern. It is matched against words that are each followed by one space."""

    expression: re.Pattern[str]
    #: The words with which a match may begin, with `ANY` if every word is possible.
    first: frozenset[str]


def compiled(pattern: str, macros: Mapping[str, str]) -> Matcher:
    """Return the pattern as a regular expression. Raises ValueError if it is malformed."""
    parts = _PARTS.findall(pattern)
    piece, rest = _alternatives(tuple(parts), 0, _Macros(macros))
    if rest != len(parts) or piece.empty:
        raise ValueError(f"the pattern {pattern!r} is malformed or matches an empty text")
    return Matcher(re.compile(piece.expression), piece.first)


class _Macros:
    """The macros of a language, each translated once."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self.piece = lru_cache(maxsize=None)(self._piece)

    def _piece(self, name: str) -> _Piece:
        parts = tuple(_PARTS.findall(self._texts[name]))
        return _alternatives(parts, 0, self)[0]


def _alternatives(parts: tuple[str, ...], at: int, macros: _Macros) -> tuple[_Piece, int]:
    """Return the alternatives from `at` up to a closing bracket, and the index of the bracket."""
    choices: list[_Piece] = []
    current = _Piece()
    while at < len(parts) and parts[at] not in ")]":
        part = parts[at]
        at += 1
        if part == "|":
            choices.append(current)
            current = _Piece()
        elif part in "([":
            inner, at = _alternatives(parts, at, macros)
            if at >= len(parts) or parts[at] != {"(": ")", "[": "]"}[part]:
                raise ValueError(f"a bracket is not closed in {' '.join(parts)!r}")
            at += 1
            current = current.then(_optional(inner) if part == "[" else inner)
        else:
            current = current.then(_single(part, macros))
    choices.append(current)
    if len(choices) == 1:
        return current, at
    expression = "|".join(choice.expression for choice in choices)
    first = frozenset[str]().union(*(choice.first for choice in choices))
    return _Piece(f"(?:{expression})", first, any(c.empty for c in choices)), at


def _optional(piece: _Piece) -> _Piece:
    return _Piece(f"(?:{piece.expression})?", piece.first, True)


def _single(part: str, macros: _Macros) -> _Piece:
    if part.startswith("{"):
        return macros.piece(part[1:-1])
    if part.startswith("*"):
        return _Piece(rf"(?:\S+ ){{0,{part[1:]}}}", frozenset({ANY}), True)
    if part == "_":
        return _Piece(r"\S+ ", frozenset({ANY}), False)
    return _Piece(re.escape(part) + " ", frozenset({part}), False)
