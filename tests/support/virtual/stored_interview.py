"""An interview as the database returns it, without a database."""

from __future__ import annotations

import datetime
from typing import Any

from worker.store.interviews import Interview, InterviewStatus

_CREATED = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def stored_interview(**fields: Any) -> Interview:
    """Return an interview that is running, with these fields."""
    others: dict[str, Any] = {
        "interview_id": "iv-1",
        "room": "room-1",
        "candidate_identity": "candidate-iv-1",
        "candidate_name": None,
        "plan": {},
        "status": InterviewStatus.RUNNING,
        "outcome": None,
        "reason": None,
        "created_at": _CREATED,
        "updated_at": _CREATED,
        "dispatch_id": None,
        "dispatch_token": None,
        "dispatched_at": None,
        "token": 1,
        "lease_job": None,
        "lease_worker": None,
        "lease_expires": None,
        "tries": 0,
    }
    return Interview(**{**others, **fields})
