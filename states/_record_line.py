"""Encoding of a journal record as a line of JSON.

Every record can be encoded. A value that JSON or UTF-8 cannot hold is replaced, because a record
that cannot be written would stop the job: an event takes effect only after its record is written.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Set
from contextlib import suppress
from typing import Any, Final

#: Name of the field that lists the fields of a record with a replaced value.
REPLACED: Final = "replaced"
#: Deepest nesting that is kept. A deeper value is replaced by the name of its type. Python's parser
#: of JSON gives up after about a thousand levels.
_DEEPEST: Final = 50
#: Most bits of a whole number that is kept. A larger number could not be converted to a float.
_MOST_BITS: Final = 1000
#: Most characters of the text that replaces an object of an unknown type.
_LONGEST: Final = 1000
# UTF-8 cannot hold half a surrogate pair, although JSON can express one and Python's `str` too.
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def encoded(record: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the record as it is stored, and as one line of JSON in UTF-8. Never raises.

    A record without a value to replace is returned unchanged. Otherwise a copy is returned, whose
    field `replaced` has the names of the fields with a replaced value.
    """
    try:
        return record, _line(record)
    except Exception:  # any error, because methods of a foreign type may raise any
        return _repaired(record)


def _repaired(record: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    stored: dict[str, Any] = {}
    replaced: list[str] = []
    for name, value in record.items():
        key = _text(name)
        try:
            _line({name: value})
            stored[key] = value
        except Exception:  # as above
            stored[key] = _plain(value, frozenset())
            replaced.append(key)
    # Keep a time, because a record without a time would count as damaged.
    if stored.get("t") is None:
        stored["t"] = 0.0
    stored[REPLACED] = [*record.get(REPLACED, ()), *replaced]
    return stored, _line(stored)


def _line(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _plain(value: Any, inside: frozenset[int]) -> Any:
    """Return `value` in a form that JSON can hold.

    `inside` contains the ids of the containers around `value`.
    """
    if len(inside) >= _DEEPEST or id(value) in inside:
        return type(value).__name__
    match value:
        case None | bool():
            return value
        case str():
            return _text(value)
        case int():
            return int(value) if value.bit_length() <= _MOST_BITS else None
        case float():
            return float(value) if math.isfinite(value) else None
        case bytes() | bytearray():
            return bytes(value).decode(errors="replace")
    within = inside | {id(value)}
    with suppress(Exception):  # any error, because methods of a foreign type may raise any
        match value:
            case Mapping():
                return {_key(key): _plain(entry, within) for key, entry in value.items()}
            case list() | tuple() | Set():
                return [_plain(entry, within) for entry in value]
        return _of_unknown_type(value, within)
    return type(value).__name__


def _of_unknown_type(value: Any, within: frozenset[int]) -> Any:
    """Return a time as ISO 8601 text, numpy data as plain values, and any other object as text."""
    for name in ("isoformat", "tolist"):
        if callable(convert := getattr(value, name, None)):
            return _plain(convert(), within)
    return _text(str(value))[:_LONGEST]


def _key(key: Any) -> str:
    return _text(key) if isinstance(key, str) else _text(str(key))[:_LONGEST]


def _text(value: str) -> str:
    return _HALF_PAIR.sub(_REPLACEMENT, value)
