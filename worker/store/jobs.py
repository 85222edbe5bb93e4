"""Jobs and their journals in the database.

The journal is the truth and these tables are views of it: `ship` may be given any record any
number of times.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from worker.store.journal_rows import (
    RecordInvalid,
    RecordRow,
    int_or_none,
    json_text,
    record_row,
    spoken_text,
    storable,
    text_or_none,
)
from worker.store.pool import BUDGET_S
from worker.store.progress import settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from worker.store.connection import Connection, Row
    from worker.store.pool import Database

#: Records in one statement: keeps each well inside its time-out.
_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class JobHeader:
    """Whose journal it is: what the records of kind `job` say."""

    job_id: str
    #: None for a job whose dispatch named no interview.
    interview_id: str | None = None
    room: str | None = None
    worker_id: str | None = None
    pid: int | None = None
    #: The fencing token, once the job has the lease.
    token: int | None = None

    def with_records(self, records: Iterable[Mapping[str, Any]]) -> JobHeader:
        """The header with whatever the records of kind `job` add to it."""
        header = self
        for record in records:
            if record.get("kind") == "job":
                header = replace(
                    header,
                    interview_id=text_or_none(record.get("interview_id")) or header.interview_id,
                    room=text_or_none(record.get("room")) or header.room,
                    worker_id=text_or_none(record.get("worker_id")) or header.worker_id,
                    pid=int_or_none(record.get("pid")) or header.pid,
                    token=int_or_none(record.get("token")) or header.token,
                )
        return header


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job as its records tell it; times are UTC by its worker's clock."""

    job_id: str
    interview_id: str | None
    room: str | None
    worker_id: str | None
    pid: int | None
    token: int | None
    #: The last state it entered; None before its first transition was shipped.
    state: str | None
    outcome: str | None
    reason: str | None
    exit_code: int | None
    signal: int | None
    started_at: datetime | None
    ended_at: datetime | None
    #: The last condition record of each resource, by its name.
    conditions: dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What became of the records given to `ship`."""

    written: int
    #: Were there already.
    repeated: int
    #: Cannot be stored: (position in the list, field at fault).
    refused: tuple[tuple[int, str], ...]


async def ship(
    db: Database,
    header: JobHeader,
    records: Sequence[Mapping[str, Any]],
    *,
    budget_s: float = BUDGET_S,
) -> Shipped:
    """Write a job's records and bring its job, turns and interview up to date, all or nothing.

    Records that are there already are left as they are. One that is no record (no seq, no time)
    is refused by itself and reported, so that it cannot hold up the rest. Raises
    `DatabaseUnavailable` and `DatabaseOperationFailed`; then nothing was written, or all of it.
    """
    rows, refused = _rows(records)
    header = replace(header, job_id=storable(header.job_id)).with_records(
        row.record for row in rows
    )

    async def write(connection: Connection) -> int:
        await _write_job(connection, header, rows)
        written = 0
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            written += await _write_records(connection, header.job_id, batch)
        kinds = {row.kind for row in rows}
        if "turn" in kinds:
            await _write_turns(connection, header, [row for row in rows if row.kind == "turn"])
        if "condition" in kinds:
            await connection.execute(_CONDITIONS, header.job_id)
        if kinds & {"transition", "exit"}:
            interview_id = await connection.fetchval(_PROGRESS, header.job_id)
            if interview_id is not None:
                await settle(connection, interview_id)
        return written

    written = await db.run("ship", write, budget_s=budget_s)
    return Shipped(written=written, repeated=len(rows) - written, refused=refused)


def _rows(
    records: Sequence[Mapping[str, Any]],
) -> tuple[list[RecordRow], tuple[tuple[int, str], ...]]:
    rows: dict[int, RecordRow] = {}
    refused = []
    for position, record in enumerate(records):
        try:
            row = record_row(record)
        except RecordInvalid as error:
            refused.append((position, error.field))
        else:
            rows.setdefault(row.seq, row)
    return sorted(rows.values(), key=lambda row: row.seq), tuple(refused)


async def _write_job(connection: Connection, header: JobHeader, rows: list[RecordRow]) -> None:
    await connection.execute(
        "INSERT INTO jobs (job_id, interview_id, room, worker_id, pid, token, started_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (job_id) DO UPDATE SET"
        " interview_id = coalesce(excluded.interview_id, jobs.interview_id),"
        " room = coalesce(excluded.room, jobs.room),"
        " worker_id = coalesce(excluded.worker_id, jobs.worker_id),"
        " pid = coalesce(excluded.pid, jobs.pid),"
        " token = greatest(excluded.token, jobs.token),"
        " started_at = least(excluded.started_at, jobs.started_at)",
        header.job_id,
        storable(header.interview_id),
        storable(header.room),
        storable(header.worker_id),
        header.pid,
        header.token,
        rows[0].at if rows else None,
    )


async def _write_records(connection: Connection, job_id: str, rows: list[RecordRow]) -> int:
    status = await connection.execute(
        "INSERT INTO job_records (job_id, seq, at, t, kind, record)"
        " SELECT $1, * FROM unnest($2::bigint[], $3::timestamptz[], $4::float8[],"
        " $5::text[], $6::jsonb[]) ON CONFLICT DO NOTHING",
        job_id,
        [row.seq for row in rows],
        [row.at for row in rows],
        [row.t for row in rows],
        [row.kind for row in rows],
        [json_text(row.record) for row in rows],
    )
    # The command tag: INSERT <oid> <rows>.
    return int(status.rpartition(" ")[2])


async def _write_turns(connection: Connection, header: JobHeader, turns: list[RecordRow]) -> None:
    texts = [
        [text_or_none(row.record.get(name)) for row in turns]
        for name in ("speaker", "question_id", "role", "generated", "heard")
    ]
    await connection.execute(
        "INSERT INTO turns (job_id, interview_id, late, seq, at, text, interrupted,"
        " speaker, question_id, role, generated, heard)"
        " SELECT $1, jobs.interview_id, coalesce(jobs.token < interviews.token, false), turn.*"
        " FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::boolean[],"
        " $6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) AS turn"
        " CROSS JOIN jobs LEFT JOIN interviews USING (interview_id) WHERE jobs.job_id = $1"
        " ON CONFLICT DO NOTHING",
        header.job_id,
        [row.seq for row in turns],
        [row.at for row in turns],
        [spoken_text(row.record) for row in turns],
        [row.record.get("interrupted") is True for row in turns],
        *texts,
    )


_CONDITIONS = """
UPDATE jobs SET conditions = (
    SELECT coalesce(jsonb_object_agg(record->>'resource', record), '{}')
    FROM (
        SELECT DISTINCT ON (record->>'resource') record FROM job_records
        WHERE job_id = $1 AND kind = 'condition' AND record->>'resource' IS NOT NULL
        ORDER BY record->>'resource', seq DESC
    ) AS latest
) WHERE job_id = $1
"""

# A process that went away without a word has failed; its exit record may name a better reason.
# An outcome that `end_interview` has written stays until the journal says another.
_PROGRESS = """
WITH last_transition AS (
    SELECT at, record FROM job_records
    WHERE job_id = $1 AND kind = 'transition' ORDER BY seq DESC LIMIT 1
), closed AS (
    SELECT at, record FROM job_records
    WHERE job_id = $1 AND kind = 'transition' AND record->>'to' = 'CLOSED'
    ORDER BY seq DESC LIMIT 1
), exited AS (
    SELECT at, record,
           CASE WHEN record->>'signal' IS NULL THEN 'ProcessExited' ELSE 'ProcessKilled' END AS why
    FROM job_records WHERE job_id = $1 AND kind = 'exit' ORDER BY seq DESC LIMIT 1
)
UPDATE jobs SET
    state = coalesce((SELECT record->>'to' FROM last_transition), state),
    outcome = coalesce(
        (SELECT record->>'outcome' FROM closed),
        (SELECT record->>'outcome' FROM exited), outcome, (SELECT 'failed' FROM exited)),
    reason = coalesce(
        (SELECT record->>'reason' FROM closed),
        (SELECT record->>'reason' FROM exited), reason, (SELECT why FROM exited)),
    exit_code = coalesce((SELECT (record->>'exit_code')::integer FROM exited), exit_code),
    signal = coalesce((SELECT (record->>'signal')::integer FROM exited), signal),
    ended_at = coalesce((SELECT at FROM closed), (SELECT at FROM exited), ended_at)
WHERE job_id = $1
RETURNING CASE WHEN outcome IS NOT NULL THEN interview_id END
"""


async def get_job(db: Database, job_id: str, *, budget_s: float = BUDGET_S) -> Job | None:
    """The job, or None where nothing of it was shipped."""
    row = await db.run(
        "get_job",
        lambda connection: connection.fetchrow(
            "SELECT * FROM jobs WHERE job_id = $1", storable(job_id)
        ),
        budget_s=budget_s,
    )
    return None if row is None else _job(row)


async def list_jobs(
    db: Database,
    interview_id: str | None = None,
    *,
    limit: int = 100,
    budget_s: float = BUDGET_S,
) -> list[Job]:
    """The newest jobs first, at most `limit`, all or those of one interview."""
    rows = await db.run(
        "list_jobs",
        lambda connection: connection.fetch(
            "SELECT * FROM jobs WHERE $1::text IS NULL OR interview_id = $1"
            " ORDER BY started_at DESC NULLS LAST, job_id LIMIT $2",
            storable(interview_id),
            limit,
        ),
        budget_s=budget_s,
    )
    return [_job(row) for row in rows]


async def records_of(
    db: Database, job_id: str, *, budget_s: float = BUDGET_S
) -> list[dict[str, Any]]:
    """The job's journal, record by record, as far as it was shipped."""
    rows = await db.run(
        "records_of",
        lambda connection: connection.fetch(
            "SELECT record FROM job_records WHERE job_id = $1 ORDER BY seq", storable(job_id)
        ),
        budget_s=budget_s,
    )
    return [json.loads(row["record"]) for row in rows]


def _job(row: Row) -> Job:
    fields = {name: row[name] for name in Job.__dataclass_fields__}
    fields["conditions"] = json.loads(fields["conditions"])
    return Job(**fields)
