"""Damage to any document: odd values in JSON data, odd text, and broken bytes."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

#: Pieces of text that break readers: characters that control a terminal, end a line, change the
#: direction of a text, are half of a pair, or join others.
ODD_PIECES: Final = (
    "\0",
    "\x07",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x7f",
    "\x85",
    "\r",
    "\n",
    "\r\n",
    "\t",
    "\ufeff",
    "\u200b",
    "\u200d",
    "\u2028",
    "\u202e",
    "\u2066",
    "\ud800",
    "\udfff",
    "\ufffe",
    "\uffff",
    "e\u0301",
    "\u0627\u0644",
    "\U0001f3a4",
    "<b>&amp;",
    "{}",
    "%s%n",
    "**",
    "\\",
    '"',
    "'",
    "--",
    "../..",
)
#: How often a piece is repeated for a very long text.
_LONG: Final = 1500


def odd_text() -> SearchStrategy[str]:
    """Return any text: short, with odd pieces, of any characters at all, or very long."""
    pieces = st.lists(st.sampled_from(ODD_PIECES) | st.text(max_size=5), max_size=6)
    anything = st.text(st.characters(codec=None), max_size=30)
    long = st.builds(lambda piece: piece * _LONG, st.sampled_from((*ODD_PIECES, "x", "9", "a b ")))
    return st.one_of(pieces.map("".join), pieces.map("".join), anything, long)


def odd_numbers() -> SearchStrategy[int | float]:
    """Return numbers that are no seconds, no counts, or that no float or PostgreSQL can hold."""
    return st.one_of(
        st.integers(),
        st.floats(),
        st.sampled_from((-1, 0, 2**31, 2**53 + 1, 2**63, 10**400, -(10**400), 1e300, 5e-324)),
    )


def nested(value: Any = None) -> SearchStrategy[Any]:
    """Return lists or objects inside each other."""

    def build(levels: int, *, as_lists: bool) -> Any:
        inside = value
        for _ in range(levels):
            inside = [inside] if as_lists else {"a": inside}
        return inside

    return st.builds(build, st.sampled_from((1, 20, 60, 200)), as_lists=st.booleans())


def odd_values() -> SearchStrategy[Any]:
    """Return a value of any type of JSON, most of them wrong at any place."""
    scalars = st.none() | st.booleans() | odd_numbers() | odd_text()
    return st.one_of(
        scalars,
        st.lists(scalars, max_size=3),
        st.dictionaries(st.text(max_size=4), scalars, max_size=3),
        nested(),
    )


def _places_in(data: Any) -> list[tuple[Any, Any]]:
    """Return each place in JSON data, as its object or list and its key or index."""
    found: list[tuple[Any, Any]] = []
    todo = [data]
    while todo:
        here = todo.pop()
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        found += [(here, key) for key in keys]
        todo += [here[key] for key in keys if isinstance(here[key], dict | list)]
    return found


@st.composite
def damaged(draw: DrawFn, documents: SearchStrategy[Any], *, most: int = 3) -> Any:
    """Return JSON data with up to `most` changes: another value, a missing or an added entry."""
    data = copy.deepcopy(draw(documents))
    for _ in range(draw(st.integers(0, most))):
        places = _places_in(data)
        if not places:
            return draw(odd_values())
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(("replace", "remove", "add", "repeat", "whole"))):
            case "replace":
                holder[key] = draw(odd_values())
            case "remove":
                del holder[key]
            case "add" if isinstance(holder, dict):
                holder[draw(odd_text())] = draw(odd_values())
            case "add":
                holder.insert(key, draw(odd_values()))
            case "repeat" if isinstance(holder, list):
                holder.extend(copy.deepcopy(holder[key]) for _ in range(draw(st.integers(1, 40))))
            case "whole" if draw(st.integers(0, 9)) == 0:
                return draw(odd_values())
    return data


@st.composite
def json_texts(draw: DrawFn, documents: SearchStrategy[Any]) -> str:
    """Return JSON text, in one of the ways to write it; sometimes with a key given twice."""
    data = draw(documents)
    text = json.dumps(
        data, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from((None, 1)))
    )
    if isinstance(data, dict) and data and draw(st.integers(0, 9)) == 0:
        key = json.dumps(draw(st.sampled_from(sorted(map(str, data)))))
        return f"{{{key}: {json.dumps(draw(odd_values()))}, {text[1:]}"
    return text


#: Bytes that are put into a document.
_INSERTED: Final = (
    b"\0",
    b"\0" * 300,
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"9" * 5000,
    b"NaN",
    b"-Infinity",
    b"1e999",
    b'"',
    b"\\ud800",
    b"#",
    b": ",
)


@st.composite
def damaged_bytes(draw: DrawFn, documents: SearchStrategy[bytes], *, most: int = 3) -> bytes:
    """Return a document with up to `most` damages: bytes changed, added, lost or written twice."""
    data = draw(documents)
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 60)))
        match draw(st.sampled_from(("flip", "insert", "cut", "lose", "twice", "breaks", "utf-16"))):
            case "flip" if start < len(data):
                flipped = data[start] ^ (1 << draw(st.integers(0, 7)))
                data = data[:start] + bytes((flipped,)) + data[start + 1 :]
            case "insert":
                data = data[:start] + draw(st.sampled_from(_INSERTED)) + data[start:]
            case "cut":
                data = data[:start]
            case "lose":
                data = data[:start] + data[end:]
            case "twice":
                data = data[:end] + data[start:]
            case "breaks":
                data = data.replace(b"\n", draw(st.sampled_from((b"\r\n", b"\r"))))
            case "utf-16" if draw(st.integers(0, 9)) == 0:
                data = data.decode(errors="replace").encode("utf-16")
    return data


def as_bytes(text: str) -> bytes:
    """Return a text as the bytes of a file. Half a surrogate pair becomes invalid UTF-8."""
    return text.encode("utf-8", "surrogatepass")
