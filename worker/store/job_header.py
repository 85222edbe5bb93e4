"""The fields of a journal that identify its job and the job's interview."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from worker.store.journal_rows import int_or_none, text_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, kw_only=True)
class JobHeader:
    """Identity of a job, from the journal's records of the kinds `job` and `lease`."""

    job_id: str
    #: Id of the job's interview; None if the dispatch of the job named no interview.
    interview_id: str | None = None
    room: str | None = None
    worker_id: str | None = None
    pid: int | None = None
    #: The fencing token; None until the job has taken the lease.
    token: int | None = None

    def with_records(self, records: Iterable[Mapping[str, Any]]) -> JobHeader:
        """Return a copy of the header, updated from the records of the kinds `job` and `lease`."""
        header = self
        for record in records:
            token = int_or_none(record.get("token"))
            if record.get("kind") == "lease":
                header = replace(header, token=token or header.token)
            elif record.get("kind") == "job":
                header = replace(
                    header,
                    interview_id=text_or_none(record.get("interview_id")) or header.interview_id,
                    room=text_or_none(record.get("room")) or header.room,
                    worker_id=text_or_none(record.get("worker_id")) or header.worker_id,
                    pid=int_or_none(record.get("pid")) or header.pid,
                    token=token or header.token,
                )
        return header
