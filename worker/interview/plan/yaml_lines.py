"""YAML reader that keeps the line number of every value.

The reader supports only the needs of hand-written files: mappings, lists and scalars of the YAML
1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema). The reader refuses aliases, tags and
second documents, so that no input can expand or construct objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Path of a value in a document: the keys and list positions from the root, such as
#: `("questions", 2, "id")`.
Where = tuple[str | int, ...]

#: Maximum nesting of a document. No hand-written file needs more. The reader is recursive, so the
#: nesting must have a limit.
MAX_DEPTH = 16

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class YamlMistake(Exception):
    """Raised for text that is not readable YAML: `problem` at `line` (None if unknown)."""

    def __init__(self, line: int | None, problem: str) -> None:
        self.line = line
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True, kw_only=True)
class Document:
    """One YAML document: its data, the line (from 1) of every value, and its repeated keys."""

    value: object
    lines: dict[Where, int]
    #: Keys that occur twice in one mapping, as (path, line of the second occurrence).
    repeated: list[tuple[Where, int]] = field(default_factory=list)


def read_yaml(text: str) -> Document:
    """Read one YAML document.

    Raises `YamlMistake` with the line if the text has a syntax error, a second document, an alias,
    a tag, a key that is not text, or nesting deeper than `MAX_DEPTH`.
    """
    document = Document(value=None, lines={})
    try:
        value = _Builder(iter(YAML(typ="safe", pure=True).parse(text)), document).build()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context or "is not valid YAML").split())
        raise YamlMistake(mark.line + 1 if mark else None, problem) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlMistake(line, f"the character U+{error.character:04X} is not allowed") from None
    return Document(value=value, lines=document.lines, repeated=document.repeated)


class _Builder:
    """Builder of plain data from the parser's events, with the line of each value."""

    def __init__(self, events: Iterator[Event], document: Document) -> None:
        self._events = events
        self._lines = document.lines
        self._repeated = document.repeated

    def build(self) -> object:
        value: object = None
        documents = 0
        for event in self._events:
            if isinstance(event, (StreamStartEvent, DocumentEndEvent)):
                continue
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise YamlMistake(_line(event), "a second document begins here (---)")
            elif isinstance(event, NodeEvent):
                value = self._value(event, ())
        return value

    def _value(self, event: Event, where: Where) -> object:
        self._refuse_the_special(event, where)
        self._lines[where] = _line(event)
        if isinstance(event, MappingStartEvent):
            return self._mapping(where)
        if isinstance(event, SequenceStartEvent):
            return self._list(where)
        if not isinstance(event, ScalarEvent):
            raise YamlMistake(_line(event), "cannot be read")
        return _plain(event.value) if event.implicit[0] else event.value

    def _refuse_the_special(self, event: Event, where: Where) -> None:
        if isinstance(event, AliasEvent):
            raise YamlMistake(_line(event), f"aliases (*{event.anchor}) are not supported")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise YamlMistake(_line(event), f"tags ({tag}) are not supported")
        if len(where) > MAX_DEPTH:
            raise YamlMistake(_line(event), f"is nested more than {MAX_DEPTH} levels deep")

    def _mapping(self, where: Where) -> dict[str, object]:
        result: dict[str, object] = {}
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            self._refuse_the_special(event, where)
            if not isinstance(event, ScalarEvent):
                raise YamlMistake(_line(event), "a key must be text")
            key: str = event.value
            if key in result:
                self._repeated.append(((*where, key), _line(event)))
            result[key] = self._value(next(self._events), (*where, key))
            # A problem is reported at the line of the key, not at the first line of the value.
            self._lines[(*where, key)] = _line(event)
        return result

    def _list(self, where: Where) -> list[object]:
        result: list[object] = []
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            result.append(self._value(event, (*where, len(result))))
        return result


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _plain(text: str) -> object:
    """Return the value of a plain scalar in the core schema.

    Octal and hexadecimal numbers, .inf and .nan are not supported and stay text.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
