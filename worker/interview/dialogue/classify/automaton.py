"""A finite automaton that matches all patterns of a language against the words of a text.

    could you (say|repeat) [that|it] again

`(a|b c)` matches one of the alternatives, `[a|b]` is optional, `{name}` is a macro, and `*3`
matches up to three words of any kind. No pattern repeats without a bound, so each match has a
bounded length, and the time for a text is proportional to its number of words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

_PARTS: Final = re.compile(r"[()\[\]|]|\{\w+\}|\*\d|[^\s()\[\]|{}*]+")
_CLOSING: Final = {"(": ")", "[": "]"}
#: Transitions that are kept. Beyond them the cache is built anew.
_MOST_KEPT: Final = 50_000


class MalformedPattern(ValueError):
    """Raised for a pattern that cannot be parsed, or that matches an empty text."""


@dataclass(frozen=True)
class _Node:
    """A part of a pattern: a word, a sequence, a choice, or up to `most` words of any kind."""

    word: str = ""
    sequence: tuple[_Node, ...] = ()
    one_of: tuple[_Node, ...] = ()
    most: int = 0


_NOTHING: Final = _Node()


@dataclass(slots=True)
class _State:
    """A state of the automaton while it is built."""

    words: dict[str, list[int]] = field(default_factory=dict)
    #: States that any word leads to.
    anything: list[int] = field(default_factory=list)
    #: States that are entered without a word.
    silent: list[int] = field(default_factory=list)
    #: Numbers of the patterns that end here.
    labels: list[int] = field(default_factory=list)


class Automaton:
    """Matches all patterns at once.

    The number of a pattern is its index in `patterns`. Each pattern has a flag; if the flag is
    False, a wildcard such as `*3` in the pattern matches zero words.
    """

    def __init__(self, patterns: Iterable[tuple[str, bool]], macros: Mapping[str, str]) -> None:
        """Raises MalformedPattern for a pattern that cannot be parsed."""
        self._states: list[_State] = [_State()]
        reader = _Reader(macros)
        for number, (pattern, is_open) in enumerate(patterns):
            self._open = is_open
            end = self._new()
            self._add(reader.node(pattern), 0, end)
            self._states[end].labels.append(number)
        self._vocabulary = frozenset(word for state in self._states for word in state.words)
        self._sets: dict[frozenset[int], int] = {}
        self._members: list[frozenset[int]] = []
        self._labels: list[tuple[int, ...]] = []
        self._next: dict[tuple[int, str], int] = {}
        self._begin = self._known(self._closed({0}))
        if self._labels[self._begin]:
            raise MalformedPattern("a pattern matches no words at all")

    def ends(self, words: Sequence[str], start: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the end of each match that begins at `start`, with the numbers of the patterns."""
        current = self._begin
        for index in range(start, len(words)):
            current = self._step(current, words[index])
            if not self._members[current]:
                return
            if self._labels[current]:
                yield index + 1, self._labels[current]

    def _step(self, current: int, word: str) -> int:
        key = (current, word if word in self._vocabulary else "")
        found = self._next.get(key)
        if found is None:
            if len(self._next) >= _MOST_KEPT:
                self._next.clear()
            reached: set[int] = set()
            for state in self._members[current]:
                reached.update(self._states[state].words.get(key[1], ()))
                reached.update(self._states[state].anything)
            found = self._next[key] = self._known(self._closed(reached))
        return found

    def _closed(self, states: set[int]) -> frozenset[int]:
        """Return `states` and all states that are reached from them without reading a word."""
        waiting = list(states)
        while waiting:
            for state in self._states[waiting.pop()].silent:
                if state not in states:
                    states.add(state)
                    waiting.append(state)
        return frozenset(states)

    def _known(self, members: frozenset[int]) -> int:
        if members not in self._sets:
            self._sets[members] = len(self._members)
            self._members.append(members)
            labels = {label for state in members for label in self._states[state].labels}
            self._labels.append(tuple(sorted(labels)))
        return self._sets[members]

    def _new(self) -> int:
        self._states.append(_State())
        return len(self._states) - 1

    def _add(self, node: _Node, start: int, end: int) -> None:
        """Add transitions from the state `start` to the state `end` that match the node."""
        state = self._states[start]
        if node.word:
            state.words.setdefault(node.word, []).append(end)
        elif node.one_of:
            for choice in node.one_of:
                self._add(choice, start, end)
        elif node.most:
            for _ in range(node.most if self._open else 0):
                following = self._new()
                self._states[start].anything.append(following)
                self._states[start].silent.append(end)
                start = following
            self._states[start].silent.append(end)
        elif not node.sequence:
            state.silent.append(end)
        else:
            for part in node.sequence[:-1]:
                following = self._new()
                self._add(part, start, following)
                start = following
            self._add(node.sequence[-1], start, end)


class _Reader:
    """Parses patterns. Each macro is parsed only once."""

    def __init__(self, macros: Mapping[str, str]) -> None:
        self._macros = macros
        self._macro = lru_cache(maxsize=None)(lambda name: self.node(self._macros[name]))

    def node(self, pattern: str) -> _Node:
        parts = _PARTS.findall(pattern)
        node, rest = self._alternatives(parts, 0, pattern)
        if rest != len(parts) or not parts:
            raise MalformedPattern(f"the pattern {pattern!r} is malformed")
        return node

    def _alternatives(self, parts: list[str], at: int, pattern: str) -> tuple[_Node, int]:
        """Parse from `at` to a closing bracket; return the node and the index of the bracket."""
        choices: list[list[_Node]] = [[]]
        while at < len(parts) and parts[at] not in ")]":
            part = parts[at]
            at += 1
            if part == "|":
                choices.append([])
            elif part in _CLOSING:
                inner, at = self._alternatives(parts, at, pattern)
                if at >= len(parts) or parts[at] != _CLOSING[part]:
                    raise MalformedPattern(f"a bracket is not closed in {pattern!r}")
                at += 1
                optional = _Node(one_of=(inner, _NOTHING))
                choices[-1].append(optional if part == "[" else inner)
            else:
                choices[-1].append(self._single(part, pattern))
        nodes = tuple(_Node(sequence=tuple(choice)) for choice in choices)
        return (nodes[0] if len(nodes) == 1 else _Node(one_of=nodes)), at

    def _single(self, part: str, pattern: str) -> _Node:
        if part.startswith("{"):
            if part[1:-1] not in self._macros:
                raise MalformedPattern(f"{pattern!r} has the unknown macro {part}")
            return self._macro(part[1:-1])
        if part.startswith("*"):
            return _Node(most=int(part[1:]))
        return _Node(word=part)
