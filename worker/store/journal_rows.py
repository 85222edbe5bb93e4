"""Convert journal records to rows that PostgreSQL can store.

A single invalid record must not keep the other records of a journal out of the database. Therefore
values that PostgreSQL cannot store are replaced, and an invalid record is refused while the other
records are stored.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from states.journal import MOST_S

# The PostgreSQL types text and jsonb can store neither NUL nor half a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MAX_SEQ = 2**63 - 1

SPEAKERS = ("candidate", "interviewer")


class RecordInvalid(ValueError):
    """Raised for a journal record that cannot be stored; `field` names the invalid field."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"the record's {field} is missing or wrong")


@dataclass(frozen=True, kw_only=True)
class RecordRow:
    """A journal record with checked key fields, and with content that PostgreSQL can store."""

    seq: int
    at: datetime
    t: float
    kind: str
    record: dict[str, Any]


def record_row(record: object) -> RecordRow:
    """Check and convert one journal record.

    Raises `RecordInvalid` if a field is missing or wrong, or if the record is nested too deeply.
    """
    if not isinstance(record, Mapping):
        raise RecordInvalid("form")
    try:
        clean = storable(record)
    except RecursionError:
        raise RecordInvalid("form") from None
    seq, t, kind = clean.get("seq"), clean.get("t"), clean.get("kind")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq <= _MAX_SEQ:
        raise RecordInvalid("seq")
    if not isinstance(t, (int, float)) or isinstance(t, bool) or not -MOST_S < t < MOST_S:
        raise RecordInvalid("t")
    if not isinstance(kind, str) or not kind:
        raise RecordInvalid("kind")
    if kind == "turn" and clean.get("speaker") not in SPEAKERS:
        raise RecordInvalid("speaker")
    if kind == "exit":
        for field in ("exit_code", "signal"):
            if clean.get(field) is not None and int_or_none(clean[field]) is None:
                raise RecordInvalid(field)
    return RecordRow(seq=seq, at=utc(clean.get("at")), t=float(t), kind=kind, record=clean)


def utc(value: object) -> datetime:
    """Convert an ISO 8601 time with an offset to UTC.

    Raises `RecordInvalid` if the value is not a valid time or has no offset.
    """
    if not isinstance(value, str):
        raise RecordInvalid("at")
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise RecordInvalid("at")


def storable(value: Any) -> Any:
    """Return a copy of JSON data with all values replaced that PostgreSQL cannot store.

    U+FFFD replaces characters that PostgreSQL cannot store, and null replaces NaN and infinite
    numbers.
    """
    match value:
        case str():
            return _UNSTORABLE.sub(_REPLACEMENT, value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {storable(str(key)): storable(entry) for key, entry in value.items()}
        case Sequence():
            return [storable(entry) for entry in value]
        case None | bool() | int():
            return value
        case _:
            return storable(str(value))


def json_text(value: object) -> str:
    """Return the value as JSON text, which is the form that asyncpg accepts for jsonb."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def text_or_none(value: object) -> str | None:
    """Return the value if it is text, else None."""
    return value if isinstance(value, str) else None


def int_or_none(value: object) -> int | None:
    """Return the value if it is a 32-bit integer, else None."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31:
        return value
    return None


def spoken_text(record: Mapping[str, Any]) -> str:
    """Return the heard part of an interviewer's turn if known, otherwise the turn's whole text.

    If an interviewer's turn was neither heard nor interrupted, the turn was shown to the candidate
    as text. The candidate has read that text, so the function returns all of it.
    """
    heard = text_or_none(record.get("heard"))
    was_read = heard == "" and record.get("interrupted") is not True
    if record["speaker"] == "interviewer" and heard is not None and not was_read:
        return heard
    return text_or_none(record.get("text")) or ""
