"""The form of a dialogue record in the journal of a job: a journal record of the kind `dialogue`.

The journal gives each record the fields `v`, `seq`, `at`, `t` and `kind`. A dialogue record has
`v`, `seq` and `kind` of its own, which are called `format`, `number` and `input` in the journal:

    {"v": 1, "seq": 57, "at": "2026-01-05T09:00:31.200000Z", "t": 31.2, "kind": "dialogue",
     "format": 1, "number": 9, "input": "turn", "table": 1, "token": 3, "name": "WAIT", ...}

All other fields have the names and values that `records.to_json` gives them. The time of a dialogue
record (`at` and `t`) is the time of its journal record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from worker.interview.dialogue.records import Record, from_json, to_json

if TYPE_CHECKING:
    from states.journal import Journal

#: The kind of the journal records that contain a dialogue record.
KIND: Final = "dialogue"
#: The fields of a dialogue record that have another name in the journal, with this name.
_RENAMED: Final = {"v": "format", "seq": "number", "kind": "input"}
_BACK: Final = {there: here for here, there in _RENAMED.items()}
#: Fields that the journal sets itself, beside those in `_RENAMED`.
_OF_THE_JOURNAL: Final = ("at", "t", "replaced")


def fields_of(record: Record) -> dict[str, Any]:
    """Return the fields of the journal record, without those that the journal sets.

    If `record.more` has a field that the journal sets, or the new name of a renamed field, this
    field is left out.
    """
    data = to_json(record)
    taken = (*_BACK, *_RENAMED, *_OF_THE_JOURNAL)
    kept = {name: value for name, value in data.items() if name not in taken}
    return {**{there: data[here] for here, there in _RENAMED.items()}, **kept}


def append(journal: Journal, t: float, record: Record) -> dict[str, Any]:
    """Write a dialogue record to the journal, and return the journal record.

    `t` is the time in seconds since the job was received. Raises JournalError if the write fails.
    """
    return journal.append("dialogue", t, **fields_of(record))


def data_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dialogue record of a journal record as JSON data, in the form of `to_json`.

    The data also has `at` and `t` of the journal record.
    """
    renamed = {here: entry.get(there) for here, there in _RENAMED.items()}
    return {**renamed, **{k: v for k, v in entry.items() if k not in (*_BACK, *_RENAMED)}}


def from_journal(entry: Mapping[str, Any]) -> Record:
    """Return the dialogue record of a journal record; `more` has its `at` and `t`.

    Raises KeyError, TypeError or ValueError if the journal record has no dialogue record.
    """
    return from_json(data_of(entry))


def records_in(entries: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Return the dialogue records among the records of a journal, in the order of the journal.

    Raises KeyError, TypeError or ValueError if a record of the kind `dialogue` is no such record.
    """
    return [from_journal(entry) for entry in entries if entry.get("kind") == KIND]
