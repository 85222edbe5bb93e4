"""Store a job's journal records, each once, and derive the columns of the job's row from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.journal_rows import (
    RecordRow,
    json_text,
    spoken_text,
    storable,
    text_or_none,
)

if TYPE_CHECKING:
    from worker.store.connection import Connection
    from worker.store.job_header import JobHeader


async def write_job(connection: Connection, header: JobHeader, rows: list[RecordRow]) -> None:
    """Insert or update the job's row from the header, but keep an interview id that is stored."""
    await connection.execute(
        "INSERT INTO jobs (job_id, interview_id, room, worker_id, pid, token, started_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (job_id) DO UPDATE SET"
        " interview_id = coalesce(jobs.interview_id, excluded.interview_id),"
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


async def write_records(connection: Connection, job_id: str, rows: list[RecordRow]) -> int:
    """Insert the records that are not stored yet; return how many records were inserted."""
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
    # `status` is the command tag of PostgreSQL: INSERT <oid> <rows>.
    return int(status.rpartition(" ")[2])


async def write_turns(connection: Connection, header: JobHeader, turns: list[RecordRow]) -> None:
    """Insert the turns that are not stored yet, with `late` true if the job has lost its lease."""
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


#: SQL statement that updates a job's conditions from the job's records. $1 is the job id.
CONDITIONS = """
UPDATE jobs SET conditions = (
    SELECT coalesce(jsonb_object_agg(record->>'resource', record), '{}')
    FROM (
        SELECT DISTINCT ON (record->>'resource') record FROM job_records
        WHERE job_id = $1 AND kind = 'condition' AND record->>'resource' IS NOT NULL
        ORDER BY record->>'resource', seq DESC
    ) AS latest
) WHERE job_id = $1
"""

#: SQL statement that updates a job's state and outcome from the job's records. $1 is the job id.
#: If the job's state, outcome or reason changed, the statement returns the interview id, and the
#: caller updates the status of this interview. Otherwise the statement returns null, so that a
#: journal that is ingested again cannot undo a later dispatch. A job whose process exited without a
#: record of the job's end has failed, as in `states.History`. If a job stored its outcome with
#: `store_end`, but its disk refused the record of the end, the stored outcome is kept.
PROGRESS = """
WITH before AS (
    SELECT state, outcome, reason FROM jobs WHERE job_id = $1
), last_transition AS (
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
        (SELECT record->>'outcome' FROM closed), outcome, (SELECT 'failed' FROM exited)),
    reason = coalesce((SELECT record->>'reason' FROM closed), reason, (SELECT why FROM exited)),
    exit_code = coalesce((SELECT (record->>'exit_code')::integer FROM exited), exit_code),
    signal = coalesce((SELECT (record->>'signal')::integer FROM exited), signal),
    ended_at = coalesce((SELECT at FROM closed), (SELECT at FROM exited), ended_at)
WHERE job_id = $1
RETURNING CASE WHEN NOT EXISTS (
    SELECT FROM before WHERE (before.state, before.outcome, before.reason)
        IS NOT DISTINCT FROM (jobs.state, jobs.outcome, jobs.reason)
) THEN interview_id END
"""
