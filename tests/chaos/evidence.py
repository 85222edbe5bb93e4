"""Evidence of an interview: its rows by plain SQL, its journals as plain JSON lines.

This module does not use the worker's code. It relies only on the schema (worker/store/migrations)
and on the journal's format (states/journal.py), as any other reader does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import asyncpg

    from tests.chaos.diary import Diary, Listener
from tests.chaos.spans import Span


@dataclass(frozen=True, kw_only=True)
class Struck:
    """The result of one fault."""

    kind: str
    target: str
    #: Start and end, in seconds since the epoch.
    span: Span
    #: False if the fault had no target.
    hit: bool
    #: Identities of the affected interviewers, by interview.
    interviewers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class TurnRow:
    """A row of the table `turns`."""

    job_id: str
    seq: int
    #: Seconds since the epoch.
    at_s: float
    speaker: str
    text: str
    question_id: str | None = None
    role: str | None = None
    interrupted: bool = False
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class InterviewRow:
    """A row of the table `interviews`."""

    status: str
    outcome: str | None
    reason: str | None
    token: int
    lease_job: str | None


@dataclass(frozen=True, kw_only=True)
class Journal:
    """The journal file of one job."""

    job_id: str
    path: str
    shipped: bool
    records: tuple[Mapping[str, Any], ...]
    #: Number of lines that are not JSON.
    torn: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All facts about one interview at the time when it should be over."""

    diary: Diary
    #: By question: the words that only its answer contains, and the complete answer.
    words: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, str]
    row: InterviewRow | None
    turns: Sequence[TurnRow]
    #: The candidate's turns that `interviews show` prints, including interrupted ones.
    shown: Sequence[str]
    #: Number of records in the database, by job.
    stored: Mapping[str, int]
    journals: Sequence[Journal]
    #: Identities of the interviewers that are still in the room.
    in_room: Sequence[str] = ()
    #: Ids of the job processes that still exist.
    processes: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class RoundEvidence:
    """All facts about a round."""

    number: int
    interviews: Sequence[Evidence]
    struck: Sequence[Struck]
    #: When the run's own writes to the database failed, and when it found no free slot (`watch`).
    unwritable: Sequence[Span] = ()
    no_slot: Sequence[Span] = ()
    #: What the candidates of a burst of dispatches heard.
    listeners: Sequence[Listener] = ()
    #: Descriptions of leftovers outside the interviews.
    leftovers: Sequence[str] = field(default=())

    def away(self, *kinds: str) -> list[Span]:
        """Return the times of the faults of these kinds that had a target."""
        return [each.span for each in self.struck if each.hit and each.kind in kinds]


async def interview_row(database: asyncpg.Connection, interview_id: str) -> InterviewRow | None:
    """Return the interview's row; None if it has no row."""
    row = await database.fetchrow(
        "SELECT status, outcome, reason, token, lease_job FROM interviews WHERE interview_id = $1",
        interview_id,
    )
    return None if row is None else InterviewRow(**row)


async def turn_rows(database: asyncpg.Connection, interview_id: str) -> list[TurnRow]:
    """Return the interview's turns in chronological order."""
    rows = await database.fetch(
        "SELECT job_id, seq, extract(epoch FROM at)::float8 AS at_s, speaker, text, question_id,"
        " role, interrupted, late FROM turns WHERE interview_id = $1 ORDER BY at, seq",
        interview_id,
    )
    return [TurnRow(**row) for row in rows]


async def stored_records(database: asyncpg.Connection, jobs: Iterable[str]) -> dict[str, int]:
    """Return the number of stored records of each job."""
    rows = await database.fetch(
        "SELECT job_id, count(*) AS records FROM job_records WHERE job_id = ANY($1) GROUP BY 1",
        list(jobs),
    )
    return {row["job_id"]: row["records"] for row in rows}


def journals_of(room: str, paths: Iterable[Path]) -> list[Journal]:
    """Return the journals of a room's jobs, sorted by their start."""
    found = []
    for path in paths:
        try:
            text = path.read_text(errors="replace")
        except FileNotFoundError:
            continue  # it was moved since it was listed
        records, torn = [], 0
        for line in text.splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                torn += 1
        if records and records[0].get("room") == room:
            found.append(
                Journal(
                    job_id=path.stem,
                    path=str(path),
                    shipped=path.parent.name == "shipped",
                    records=tuple(records),
                    torn=torn,
                )
            )
    return sorted(found, key=lambda journal: str(journal.records[0].get("at")))
