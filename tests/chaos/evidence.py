"""What is left of an interview: its rows by plain SQL, its journals as plain JSON lines.

Nothing here knows the worker's code; the schema (worker/store/migrations) and the journal's form
(states/journal.py) are what anybody else would read them by.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import asyncpg

    from tests.chaos.diary import Diary
from tests.chaos.spans import Span


@dataclass(frozen=True, kw_only=True)
class Struck:
    """What became of one fault."""

    kind: str
    target: str
    #: Seconds since the epoch: when it began and ended.
    span: Span
    #: Whether there was something to strike.
    hit: bool
    #: The interviews whose interviewer was struck, and that interviewer's identity.
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
    """The file of one job."""

    job_id: str
    path: str
    shipped: bool
    records: tuple[Mapping[str, Any], ...]
    #: Lines that are no JSON.
    torn: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that is known of one interview when it should be over."""

    diary: Diary
    #: The words of each answer that tell it from the others, by question, and all of it.
    words: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, str]
    row: InterviewRow | None
    turns: Sequence[TurnRow]
    #: What `interviews show` prints of the candidate's, answers that were cut off as well.
    shown: Sequence[str]
    #: Records in the database, by job.
    stored: Mapping[str, int]
    journals: Sequence[Journal]
    #: Who is still in the room, the candidate being gone.
    in_room: Sequence[str] = ()
    #: Processes of its jobs that are still there.
    processes: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class RoundEvidence:
    """All that is known of a round."""

    number: int
    interviews: Sequence[Evidence]
    struck: Sequence[Struck]
    #: What was left over beside the interviews themselves, in words.
    leftovers: Sequence[str] = field(default=())

    def away(self, *kinds: str) -> list[Span]:
        """When something was struck by one of these faults."""
        return [each.span for each in self.struck if each.hit and each.kind in kinds]


async def interview_row(database: asyncpg.Connection, interview_id: str) -> InterviewRow | None:
    """The interview's row; None where there is none."""
    row = await database.fetchrow(
        "SELECT status, outcome, reason, token, lease_job FROM interviews WHERE interview_id = $1",
        interview_id,
    )
    return None if row is None else InterviewRow(**row)


async def turn_rows(database: asyncpg.Connection, interview_id: str) -> list[TurnRow]:
    """The interview's turns, in the order in which they were spoken."""
    rows = await database.fetch(
        "SELECT job_id, seq, extract(epoch FROM at)::float8 AS at_s, speaker, text, question_id,"
        " role, interrupted, late FROM turns WHERE interview_id = $1 ORDER BY at, seq",
        interview_id,
    )
    return [TurnRow(**row) for row in rows]


async def stored_records(database: asyncpg.Connection, jobs: Iterable[str]) -> dict[str, int]:
    """How many records of each job there are."""
    rows = await database.fetch(
        "SELECT job_id, count(*) AS records FROM job_records WHERE job_id = ANY($1) GROUP BY 1",
        list(jobs),
    )
    return {row["job_id"]: row["records"] for row in rows}


def journals_of(room: str, paths: Iterable[Path]) -> list[Journal]:
    """The journals of a room's jobs."""
    found = []
    for path in paths:
        try:
            text = path.read_text(errors="replace")
        except FileNotFoundError:
            continue  # it was put away since it was listed
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
