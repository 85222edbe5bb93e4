"""The path of a dialogue: the places that its records name, matching, and the report of a mismatch.

A record names the place after it in its field `to`, as `PHASE`, `PHASE:question` or
`PHASE:question(kind)`. This module knows this notation, but neither the phases nor the table of a
dialogue.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any, Final, TypeAlias

from states._expected_path import Comparison, compare, side_by_side
from states._subjects import history_of
from states.history import History
from states.journal import JournalError
from states.machine import Lifecycle

#: Whose dialogue an assertion checks. A `str` that begins with "{" or "[" is JSON; any other `str`
#: is a path. A file whose name ends in ".json" contains JSON; any other file is a journal. JSON,
#: and a mapping, is the output of `interview-worker interviews show --json`. A list has records of
#: a dialogue, or records of a journal.
DialogueSubject: TypeAlias = Lifecycle | History | Path | str | Mapping[str, Any] | Iterable[object]
#: One element of an expected path: the text of a place, or `...`.
PlaceElement: TypeAlias = str | EllipsisType

_PLACE: Final = re.compile(r"([A-Z][A-Z_]*)(?::([^()]+))?(?:\((\w+)\))?")
#: The fields of a record that a path uses.
_FIELDS: Final = ("phase", "to", "name", "row", "late", "t")


@dataclass(frozen=True, kw_only=True)
class PlaceVisit:
    """One visit to a place, which lasts until a record names another place."""

    place: str
    #: The act or event that led to the place; empty for the place before the first record.
    name: str = ""
    #: The row of the dialogue's table that led to the place; empty if the record names none.
    row: str = ""
    #: The time of the record in seconds since the job was received; None if it is not recorded.
    t: float | None = None


@dataclass(frozen=True, kw_only=True)
class ExpectedPlace:
    """One element of an expected path. A question or a kind that is empty matches any."""

    label: str
    phase: str = ""
    question: str = ""
    kind: str = ""
    #: True if the element matches any number of visits to any places, including none.
    repeats: bool = False

    def accepts(self, visit: PlaceVisit) -> bool:
        """Return True if this element matches the visit."""
        if self.repeats:
            return True
        phase, question, kind = parts_of(visit.place) or (visit.place, "", "")
        own = self.question in ("", question) and self.kind in ("", kind)
        return own and self.phase == phase


def parts_of(place: str) -> tuple[str, str, str] | None:
    """Return the phase, the question and the kind of a place; None if the text is no place.

    The question and the kind are empty if the place has none.
    """
    found = _PLACE.fullmatch(place)
    if found is None:
        return None
    phase, question, kind = found.groups("")
    return phase, question, kind


def expected_places(elements: Iterable[PlaceElement]) -> tuple[ExpectedPlace, ...]:
    """Convert the elements of a test's path. Raises ValueError if a text is not a place."""
    return tuple(_expected(element) for element in elements)


def _expected(element: PlaceElement) -> ExpectedPlace:
    if isinstance(element, EllipsisType):
        return ExpectedPlace(label="...", repeats=True)
    parts = parts_of(element)
    if parts is None:
        raise ValueError(
            f"{element!r} is not a place: write PHASE, PHASE:question or PHASE:question(kind), "
            "such as 'LISTENING:q1'"
        )
    phase, question, kind = parts
    return ExpectedPlace(label=str(element), phase=phase, question=question, kind=kind)


# --- the path that was taken ---------------------------------------------------------------------


def place_path(subject: DialogueSubject) -> tuple[PlaceVisit, ...]:
    """Return the visits of a dialogue, in order; empty if the subject has no record of a dialogue.

    The first visit is to the place in which the first record found the dialogue, if the record
    names it (field `phase`). Two records in a row that name the same place are one visit. A record
    that was written too late (field `late`) changes no place.

    Raises JournalError if the subject cannot be read, or if a place in it is not a text.
    """
    path: list[PlaceVisit] = []
    for record in map(_fields_of, _records_of(subject)):
        if record.get("late"):
            continue
        before, to = _text(record, "phase"), _text(record, "to")
        if not path and before:
            path.append(PlaceVisit(place=before))
        if not to or (path and path[-1].place == to):
            continue
        t = record.get("t")
        path.append(
            PlaceVisit(
                place=to,
                name=_text(record, "name"),
                row=_text(record, "row"),
                t=float(t) if isinstance(t, int | float) else None,
            )
        )
    return tuple(path)


def _records_of(subject: DialogueSubject) -> Sequence[object]:
    if isinstance(subject, Lifecycle | History):
        return history_of(subject).dialogue
    if isinstance(subject, str) and subject.lstrip()[:1] in ("{", "["):
        return _of_json(subject)
    if isinstance(subject, str | Path):
        path = Path(subject)
        if path.suffix == ".json":
            return _of_json(path.read_text(encoding="utf-8"))
        return History.read(path).dialogue
    if isinstance(subject, Mapping):
        return _of_interview(subject)
    return [record for record in subject if _is_of_a_dialogue(record)]


def _of_json(text: str) -> Sequence[object]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalError(f"this is not JSON: {error}") from error
    if isinstance(data, list):
        return [record for record in data if _is_of_a_dialogue(record)]
    return _of_interview(data)


def _of_interview(data: object) -> Sequence[object]:
    records = data.get("dialogue") if isinstance(data, Mapping) else None
    if not isinstance(records, list | tuple):
        raise JournalError(
            "this is not the JSON of `interview-worker interviews show`: it has no list `dialogue`"
        )
    return records


def _is_of_a_dialogue(record: object) -> bool:
    """Return True for a record with a place; the transitions of a journal have a `to` as well."""
    if isinstance(record, Mapping):
        return "to" in record and record.get("kind") != "transition"
    return hasattr(record, "to")


def _fields_of(record: object) -> Mapping[str, Any]:
    if isinstance(record, Mapping):
        return record
    fields = {name: getattr(record, name, None) for name in _FIELDS}
    return {**fields, "to": str(fields["to"] or "")}


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise JournalError(f"the field {name} of a record of a dialogue is not text")
    return value or ""


# --- the report ----------------------------------------------------------------------------------


def compare_places(
    expected: Iterable[PlaceElement], actual: Sequence[PlaceVisit]
) -> Comparison[PlaceVisit]:
    """Pair the visits with the elements. Raises ValueError if a text is not a place."""
    return compare(expected_places(expected), actual)


def place_mismatch(actual: Sequence[PlaceVisit], comparison: Comparison[PlaceVisit]) -> str:
    """Return the message of a failed `assert_dialogue`.

    The message shows the expected and the actual path side by side, and where they differ.
    """
    assert comparison.parted_at is not None  # noqa: S101  # only called for a mismatch
    head = ("expected", "actual", "t", "on", "row")
    return "\n".join(
        [
            "the dialogue took another path than expected",
            "",
            *side_by_side(head, comparison, _columns_of),
            "",
            _parting(actual, comparison.parted_at),
        ]
    )


def _columns_of(visit: PlaceVisit | None) -> tuple[str, ...]:
    if visit is None:
        return ("(nothing)", "", "", "")
    return (visit.place, "" if visit.t is None else f"{visit.t:.3f} s", visit.name, visit.row)


def _parting(actual: Sequence[PlaceVisit], parted_at: int) -> str:
    if parted_at == len(actual):
        began = _began(actual[-1])
        return f"The path ends in {actual[-1].place}{', entered' + began if began else ''}."
    if parted_at == 0:
        return f"The path begins in {actual[0].place}."
    return f"{actual[parted_at - 1].place} was left{_began(actual[parted_at])}."


def _began(visit: PlaceVisit) -> str:
    """Return the time, and the act or event, with which a visit began, as far as recorded."""
    at = "" if visit.t is None else f" at {visit.t:.3f} s"
    return at + (f" on {visit.name}" if visit.name else "")
