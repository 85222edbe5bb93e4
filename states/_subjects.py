"""Converts what an assertion of `states.testing` accepts as a job to a `History`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from states.ends import ends_as_data
from states.history import History
from states.machine import Lifecycle

#: The subject of an assertion. A `str` that begins with "{" is JSON; any other `str` is a path. A
#: file whose name ends in ".json" contains JSON; any other file is a journal.
Subject = Lifecycle | History | Path | str | Mapping[str, Any]


def history_of(subject: Subject) -> History:
    """Return the history of any subject of an assertion.

    Raises JournalError if the subject cannot be read as a job.
    """
    if isinstance(subject, History):
        return subject
    if isinstance(subject, Lifecycle):
        return _history_of_live(subject)
    if isinstance(subject, Mapping):
        return History.from_json(subject)
    if isinstance(subject, str) and subject.lstrip().startswith("{"):
        return History.from_json(subject)
    path = Path(subject)
    if path.suffix == ".json":
        return History.from_json(path.read_text(encoding="utf-8"))
    return History.read(path)


def _history_of_live(lifecycle: Lifecycle) -> History:
    if hasattr(lifecycle.journal, "records"):
        return History.of(lifecycle)
    return History(
        header={"ends": ends_as_data(lifecycle.ends)},
        transitions=tuple(x for x in lifecycle.transitions if not x.internal),
        internals=tuple(x for x in lifecycle.transitions if x.internal),
        condition_changes=tuple(lifecycle.conditions),
    )
