"""What a worker writes, read again and again while it runs: its log and its journals.

Tests look twenty times a second, and a worker that is shared has written a lot: each line of the
log is read once, and a journal of another room is not read at all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from states import History
from states.journal import read_records

if TYPE_CHECKING:
    from pathlib import Path


class WorkerLog:
    """The log of a worker, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_bytes = 0
        self._records: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Forget what was read: the worker starts, and its log begins again."""
        self._read_bytes, self._records = 0, []

    def lines(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines so far that have these fields. Raises ValueError for one not JSON."""
        with self.path.open("rb") as log:
            log.seek(self._read_bytes)
            lines = log.readlines()
        if lines and not lines[-1].endswith(b"\n"):
            del lines[-1]  # is still being written
        self._read_bytes += sum(map(len, lines))
        self._records += map(json.loads, lines)
        return [
            record
            for record in self._records
            if all(record.get(name) == value for name, value in fields.items())
        ]


class WorkerJournals:
    """The journals of a worker's jobs on the disk, shipped to the database or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The room of a job, by the name of its journal, which stays when it is put away.
        self._rooms: dict[str, str] = {}

    def in_room(self, room: str) -> list[History]:
        """Return what the journals tell of the jobs in a room."""
        found = []
        for path in (*self._folder.glob("*.jsonl"), *self._folder.glob("shipped/*.jsonl")):
            if self._rooms.get(path.name, room) != room:
                continue
            # One that was listed may have been put away since.
            records = read_records(path).records if path.exists() else []
            if not records:
                continue
            self._rooms[path.name] = records[0].get("room", "")
            if self._rooms[path.name] == room:
                found.append(History.from_records(records))
        return found
