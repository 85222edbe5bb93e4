"""The records of a job, as its journal has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from worker.store.jobs import JobHeader

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
Record = dict[str, Any]


class JobRecords:
    """Records as a job writes them, numbered, a second apart."""

    def __init__(self, *, start: datetime = START) -> None:
        self._start = start
        self.records: list[Record] = []

    def add(self, kind: str, **fields: Any) -> Record:
        """Write one of any kind."""
        seq = len(self.records)
        at = (self._start + timedelta(seconds=seq)).isoformat()
        record = {"v": 1, "seq": seq, "at": at, "t": float(seq), "kind": kind, **fields}
        self.records.append(record)
        return record

    def transition(self, to: str, **fields: Any) -> Record:
        """Enter a state."""
        return self.add("transition", **{"from": "X", "event": "e", "to": to, **fields})

    def said(self, speaker: str, text: str, **fields: Any) -> Record:
        """Take a turn."""
        return self.add("turn", speaker=speaker, text=text, question_id="q1", **fields)


def header(job_id: str = "AJ_1", interview_id: str | None = "one", **fields: Any) -> JobHeader:
    """Whose records they are."""
    return JobHeader(job_id=job_id, interview_id=interview_id, **fields)
