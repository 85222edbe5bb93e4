"""Repeated reads of the log and the journals of a running worker.

Tests poll twenty times a second, and a shared worker has written a lot. So each log line is read
only once, and a journal that is known to be of another room is not read again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from states import History
from states.journal import read_records

if TYPE_CHECKING:
    from pathlib import Path


class WorkerLog:
    """The log of a worker, one JSON object per line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_bytes = 0
        self._records: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Forget all lines so far: a worker starts, and appends its lines."""
        self._read_bytes = self.path.stat().st_size if self.path.exists() else 0
        self._records = []

    def lines(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines with these fields. Raises ValueError for a line that is not JSON."""
        with self.path.open("rb") as log:
            log.seek(self._read_bytes)
            lines = log.readlines()
        if lines and not lines[-1].endswith(b"\n"):
            del lines[-1]  # incomplete: the worker is still writing it
        self._read_bytes += sum(map(len, lines))
        self._records += map(json.loads, lines)
        return [
            record
            for record in self._records
            if all(record.get(name) == value for name, value in fields.items())
        ]


class WorkerJournals:
    """The journals on disk of a worker's jobs, ingested into the database or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The room of a job by the file name of its journal, which does not change when moved.
        self._rooms: dict[str, str] = {}

    def in_room(self, room: str) -> list[History]:
        """Return the histories of the jobs in a room."""
        found = []
        for path in (*self._folder.glob("*.jsonl"), *self._folder.glob("shipped/*.jsonl")):
            if self._rooms.get(path.name, room) != room:
                continue
            # A listed journal may have been moved since.
            records = read_records(path).records if path.exists() else []
            if not records:
                continue
            self._rooms[path.name] = records[0].get("room", "")
            if self._rooms[path.name] == room:
                found.append(History.from_records(records))
        return found
