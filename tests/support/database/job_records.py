"""Journal records of a job, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from worker.store.jobs import JobHeader

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
Record = dict[str, Any]


class JobRecords:
    """Builds records in the form in which a job writes them: numbered, one second apart."""

    def __init__(self, *, start: datetime = START) -> None:
        self._start = start
        self.records: list[Record] = []

    def add(self, kind: str, **fields: Any) -> Record:
        """Append a record of any kind."""
        seq = len(self.records)
        at = (self._start + timedelta(seconds=seq)).isoformat()
        record = {"v": 1, "seq": seq, "at": at, "t": float(seq), "kind": kind, **fields}
        self.records.append(record)
        return record

    def transition(self, to: str, **fields: Any) -> Record:
        """Append a transition into a state."""
        return self.add("transition", **{"from": "X", "event": "e", "to": to, **fields})

    def said(self, speaker: str, text: str, **fields: Any) -> Record:
        """Append a turn."""
        return self.add("turn", speaker=speaker, text=text, question_id="q1", **fields)


def header(job_id: str = "AJ_1", interview_id: str | None = "one", **fields: Any) -> JobHeader:
    """Return the header of the job that the records belong to."""
    return JobHeader(job_id=job_id, interview_id=interview_id, **fields)
