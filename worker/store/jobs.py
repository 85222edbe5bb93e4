"""Jobs and their journals in the database.

The journal on disk is authoritative, and the tables are derived from the journal. Therefore `ship`
may ingest the same record any number of times.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from worker.store.database import BUDGET_S
from worker.store.errors import DatabaseOperationFailed
from worker.store.interview_status import settle
from worker.store.job_header import JobHeader as JobHeader
from worker.store.job_writes import CONDITIONS, LOCK_INTERVIEW, PROGRESS, write_of
from worker.store.journal_rows import (
    RecordInvalid,
    RecordRow,
    record_row,
    storable,
)
from worker.store.schema import check_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from worker.store.connection import Connection, Row
    from worker.store.database import Database

#: Maximum number of records in one statement. With this number of records each statement stays well
#: within the statement timeout of the pool.
_BATCH = 500
#: Kinds of records that determine the state and the outcome of a job and its interview.
_ENDING = frozenset({"transition", "exit"})
#: Kinds of records that change the row of the job.
_CHANGING = _ENDING | {"condition"}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job as its records describe it. Times are in UTC and come from the worker's clock."""

    job_id: str
    interview_id: str | None
    room: str | None
    worker_id: str | None
    pid: int | None
    token: int | None
    #: The last state that the job entered; None until its first transition is ingested.
    state: str | None
    outcome: str | None
    reason: str | None
    exit_code: int | None
    signal: int | None
    started_at: datetime | None
    ended_at: datetime | None
    #: The last condition record of each resource, by resource name.
    conditions: dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """Result of `ship`: how many records are stored, and which records cannot be stored."""

    written: int
    #: Number of records that were stored already.
    repeated: int
    #: Records that cannot be stored, each as (index in the given records, invalid field).
    refused: tuple[tuple[int, str], ...]


async def ship(
    db: Database,
    header: JobHeader,
    records: Sequence[Mapping[str, Any]],
    *,
    budget_s: float = BUDGET_S,
) -> Shipped:
    """Ingest a job's records, and update the job, its turns and its interview, in one transaction.

    Records that are stored already stay unchanged. An invalid record (no seq, no time) is skipped
    and reported in the result, so that it cannot block the other records. Raises
    `DatabaseUnavailable` or `DatabaseOperationFailed` if the database operation fails; after that
    error, either nothing or everything was written. Raises `SchemaDiffers`, and writes nothing, if
    this worker cannot use the database's schema.
    """
    rows, refused = _rows(records)
    header = replace(header, job_id=storable(header.job_id)).with_records(
        row.record for row in rows
    )
    try:
        if len(rows) <= _BATCH and not {row.kind for row in rows} & _CHANGING:
            written = await _write_at_once(db, header, rows, budget_s=budget_s)
        else:
            written = await _write_in_steps(db, header, rows, budget_s=budget_s)
    except DatabaseOperationFailed:
        # Find the cause: if the schema differs, `check_schema` raises `SchemaDiffers`.
        await db.run("check_schema", check_schema, budget_s=budget_s)
        raise
    return Shipped(written=written, repeated=len(rows) - written, refused=refused)


async def _write_at_once(
    db: Database, header: JobHeader, rows: Sequence[RecordRow], *, budget_s: float
) -> int:
    """Store records that change no other row, in one statement; return how many were new."""
    write = write_of(header, rows)
    (result,) = await db.fetch("ship", write.query, *write.parameters, budget_s=budget_s)
    if not result["stored"]:
        await db.run("check_schema", check_schema, budget_s=budget_s)
    return int(result["written"])


async def _write_in_steps(
    db: Database, header: JobHeader, rows: Sequence[RecordRow], *, budget_s: float
) -> int:
    """Store records, and update the job and its interview from them; return how many were new.

    A job that was erased together with its interview is not stored again.
    """
    kinds = {row.kind for row in rows}

    async def write(connection: Connection) -> int:
        if kinds & _ENDING:
            await connection.execute(LOCK_INTERVIEW, header.job_id, storable(header.interview_id))
        written = 0
        for start in range(0, max(len(rows), 1), _BATCH):
            batch = write_of(header, rows[start : start + _BATCH])
            (result,) = await connection.fetch(batch.query, *batch.parameters)
            if not result["stored"]:
                await check_schema(connection)
                return 0
            written += result["written"]
        if "condition" in kinds:
            await connection.execute(CONDITIONS, header.job_id)
        if kinds & _ENDING:
            interview_id = await connection.fetchval(PROGRESS, header.job_id)
            if interview_id is not None:
                await settle(connection, interview_id)
        return written

    return await db.run("ship", write, budget_s=budget_s)


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


async def get_job(db: Database, job_id: str, *, budget_s: float = BUDGET_S) -> Job | None:
    """Return the job; None if the database has no such job."""
    rows = await db.fetch(
        "get_job", "SELECT * FROM jobs WHERE job_id = $1", storable(job_id), budget_s=budget_s
    )
    return _job(rows[0]) if rows else None


async def list_jobs(
    db: Database,
    interview_id: str | None = None,
    *,
    limit: int = 100,
    budget_s: float = BUDGET_S,
) -> list[Job]:
    """Return at most `limit` jobs, newest first.

    If `interview_id` is given, return only jobs of that interview.
    """
    rows = await db.fetch(
        "list_jobs",
        "SELECT * FROM jobs WHERE $1::text IS NULL OR interview_id = $1"
        " ORDER BY started_at DESC NULLS LAST, job_id LIMIT $2",
        *(storable(interview_id), limit),
        budget_s=budget_s,
    )
    return [_job(row) for row in rows]


async def records_of(
    db: Database, job_id: str, *, budget_s: float = BUDGET_S
) -> list[dict[str, Any]]:
    """Return the job's journal records that are ingested, in the order of the journal."""
    rows = await db.fetch(
        "records_of",
        "SELECT record FROM job_records WHERE job_id = $1 ORDER BY seq",
        storable(job_id),
        budget_s=budget_s,
    )
    return [json.loads(row["record"]) for row in rows]


async def last_seq(
    db: Database, job_id: str, *, but: str, budget_s: float = BUDGET_S
) -> int | None:
    """Return the highest `seq` of the job's stored records that are not of kind `but`.

    Return None if no such record is stored. Raises DatabaseUnavailable or DatabaseOperationFailed
    if the database operation fails.
    """
    (row,) = await db.fetch(
        "last_seq",
        "SELECT max(seq) AS last FROM job_records WHERE job_id = $1 AND kind <> $2",
        *(storable(job_id), but),
        budget_s=budget_s,
    )
    return None if row["last"] is None else int(row["last"])


def _job(row: Row) -> Job:
    fields = {name: row[name] for name in Job.__dataclass_fields__}
    fields["conditions"] = json.loads(fields["conditions"])
    return Job(**fields)
