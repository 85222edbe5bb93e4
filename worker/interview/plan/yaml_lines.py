"""YAML reader that keeps the line number of every value.

The reader supports only the needs of hand-written files: mappings, lists and scalars of the YAML
1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema). The reader refuses second documents,
aliases, which could multiply the size of the data, and tags, which could construct objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from worker.env.shown import shortened

#: Path of a value in a document: the keys and list positions from the root, such as
#: `("questions", 2, "id")`.
Where = tuple[str | int, ...]

#: Maximum nesting of a document. No hand-written file is nested deeper. A limit is needed, because
#: the reader is recursive.
MAX_DEPTH = 16

#: Maximum length of a key, an anchor or a tag in a problem, in characters. Each may be as long as
#: the file.
LONGEST_NAME = 64
#: Maximum length of a problem that the YAML parser reports, in characters. The parser quotes names.
_LONGEST_PROBLEM = 200

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


#: A directive with another version than the two that ruamel reads.
_OTHER_VERSION = re.compile(r"^%YAML(?! +1\.[12]\s)", re.MULTILINE)


@dataclass(kw_only=True)
class Document:
    """One YAML document: its data, the line (from 1) of every value, and its repeated keys."""

    value: object = None
    lines: dict[Where, int] = field(default_factory=dict)
    #: First and last line of each scalar. The recorded last line may be one line too late.
    spans: dict[Where, tuple[int, int]] = field(default_factory=dict)
    #: The lines of the text; empty for data that is no file.
    text: tuple[str, ...] = ()
    #: Keys that occur twice in one mapping, as (path, line of the second occurrence).
    repeated: list[tuple[Where, int]] = field(default_factory=list)

    def line_of(self, where: Where, fragment: str) -> int | None:
        """Return the line of `fragment` in the scalar at `where`, or the line of the scalar's key.

        If the whole fragment is not found, its first word is searched, because the file may have a
        line break after that word. A fragment that the file writes with escape sequences is not
        found.
        """
        first, last = self.spans.get(where, (1, 0))
        lines = range(first, min(last, len(self.text)) + 1)
        for part in (*fragment.strip().split("\n")[:1], *fragment.split()[:1]):
            found = next((n for n in lines if part and part in self.text[n - 1]), None)
            if found is not None:
                return found
        return self.lines.get(where)


def read_yaml(text: str) -> Document:
    """Read one YAML document.

    Raises `YamlMistake` with the line if the text has a syntax error, an unknown version of YAML, a
    second document, an alias, a tag, a key that is not text, or nesting deeper than `MAX_DEPTH`.
    """
    # The round-trip loader is not used, because it converts dates, octal numbers and `1_000`.
    yaml = YAML(typ="base", pure=True)
    yaml.Composer = _Composer
    yaml.max_depth = MAX_DEPTH + 1  # the root counts as a level
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlMistake(mark.line + 1 if mark else None, _problem_of(error)) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlMistake(line, f"the character U+{error.character:04X} is not allowed") from None
    except (ValueError, OverflowError):  # ruamel converts an escape such as "\UFFFFFFFF" unchecked
        raise YamlMistake(None, "an escaped character (\\U...) does not exist") from None
    except (AssertionError, KeyError):  # how ruamel refuses %YAML 1.0 and %YAML 1.3
        wrong = _OTHER_VERSION.search(text)
        line = text.count("\n", 0, wrong.start() if wrong else 0) + 1
        raise YamlMistake(line, "%YAML names a version other than 1.1 and 1.2") from None
    document = Document(text=tuple(text.split("\n")))
    if root is not None:
        document.lines[()] = _line(root)
        document.value = _value_of(root, (), document)
    return document


def _problem_of(error: MarkedYAMLError) -> str:
    if isinstance(error, MaxDepthExceededError):
        return f"is nested more than {MAX_DEPTH} levels deep"
    if isinstance(error, ComposerError):
        return "a second document begins here (---)"
    problem = " ".join(str(error.problem or error.context or "is not valid YAML").split())
    return shortened(problem, _LONGEST_PROBLEM)


def _name(found: object) -> str:
    """Return the name of an anchor or a tag for a message."""
    return shortened(str(found), LONGEST_NAME)


class _Composer(Composer):
    """Composer of a tree of nodes that refuses aliases, tags, and keys that are not text."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # ignore a repeated anchor, because no alias is accepted

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent):
            raise YamlMistake(_line(event), f"aliases (*{_name(event.anchor)}) are not supported")
        if event.tag is not None:
            raise YamlMistake(_line(event), f"tags ({_name(event.tag)}) are not supported")
        is_key = index is None and parent is not None
        if is_key and not isinstance(event, ScalarEvent):
            raise YamlMistake(_line(event), "a key must be text")
        return super().compose_node(parent, index)


def _value_of(node: Any, where: Where, document: Document) -> object:
    """Return the data of a node. Record repeated keys, and the lines of the values in the node."""
    if isinstance(node, MappingNode):
        result: dict[str, object] = {}
        for key, value in node.value:
            at = (*where, key.value)
            # A problem is reported at the line of the key, not at the first line of the value.
            document.lines[at] = _line(key)
            if key.value in result:
                document.repeated.append((at, _line(key)))
            result[key.value] = _value_of(value, at, document)
        return result
    if isinstance(node, SequenceNode):
        document.lines |= {(*where, index): _line(each) for index, each in enumerate(node.value)}
        return [_value_of(each, (*where, n), document) for n, each in enumerate(node.value)]
    document.spans[where] = (_line(node), int(node.end_mark.line) + 1)
    return node.value if node.style else _plain(node.value)


def _line(found: Any) -> int:
    """Return the line (from 1) on which an event or a node begins."""
    return int(found.start_mark.line) + 1


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
