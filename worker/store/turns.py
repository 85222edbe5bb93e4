"""Turns as they are stored: who said what, and what of it was heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from worker.store.connection import Row


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One uninterrupted floor of an interview.

    `text` is what counts: the candidate's committed words, and of the interviewer's what was
    heard, which may be less than was generated.
    """

    interview_id: str | None
    job_id: str
    #: Its place in the job's journal.
    seq: int
    at: datetime
    speaker: Literal["candidate", "interviewer"]
    question_id: str | None
    role: str | None
    text: str
    generated: str | None
    heard: str | None
    interrupted: bool
    #: It came from a job that had lost its lease.
    late: bool


def turn_of(row: Row) -> Turn:
    """The turn in a row of the table `turns`."""
    return Turn(**{name: row[name] for name in Turn.__dataclass_fields__})
