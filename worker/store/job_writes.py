"""Store a job's journal records, each once, and derive the columns of the job's row from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.store.journal_rows import json_text, spoken_text, storable, text_or_none
from worker.store.schema import generation, known_migrations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.store.job_header import JobHeader
    from worker.store.journal_rows import RecordRow


#: SQL statement that inserts or updates a job's row from its header, keeps an interview id that is
#: stored, and inserts the records and the turns that are not stored yet. `late` is true if the job
#: has lost its lease. Nothing is written if this worker cannot use the schema, or if the job was
#: erased.
#:
#: The statement locks its tables before it reads the version of the schema. Therefore a concurrent
#: migration either has committed before, so that the statement sees the new version, or waits until
#: the statement has committed.
#:
#: All arrays are of text, because asyncpg asks the server for any other array type at its first use
#: on each connection, which costs six round trips.
_WRITE: Final = """
WITH job AS (
    INSERT INTO jobs (job_id, interview_id, room, worker_id, pid, token, started_at)
    SELECT $1::text, $2::text, $3::text, $4::text, $5::integer, $6::bigint, $7::timestamptz
    WHERE (SELECT max(version) FROM schema_migrations) BETWEEN $8::integer AND $9::integer
    ON CONFLICT (job_id) DO UPDATE SET
        interview_id = coalesce(jobs.interview_id, excluded.interview_id),
        room = coalesce(excluded.room, jobs.room),
        worker_id = coalesce(excluded.worker_id, jobs.worker_id),
        pid = coalesce(excluded.pid, jobs.pid),
        token = greatest(excluded.token, jobs.token),
        started_at = least(excluded.started_at, jobs.started_at)
    RETURNING interview_id, token
), records AS (
    INSERT INTO job_records (job_id, seq, at, t, kind, record)
    SELECT $1, seq::bigint, at::timestamptz, t::float8, kind, record::jsonb
    FROM job, unnest($10::text[], $11::text[], $12::text[], $13::text[], $14::text[])
        AS new (seq, at, t, kind, record)
    ON CONFLICT DO NOTHING RETURNING seq
), said AS (
    INSERT INTO turns (job_id, interview_id, late, seq, at, text, interrupted,
        speaker, question_id, role, generated, heard)
    SELECT $1, job.interview_id, coalesce(job.token < interviews.token, false), seq::bigint,
        at::timestamptz, said, interrupted::boolean, speaker, question_id, role, generated, heard
    FROM job LEFT JOIN interviews ON interviews.interview_id = job.interview_id,
        unnest($15::text[], $16::text[], $17::text[], $18::text[],
            $19::text[], $20::text[], $21::text[], $22::text[], $23::text[])
        AS new (seq, at, said, interrupted, speaker, question_id, role, generated, heard)
    ON CONFLICT DO NOTHING
)
SELECT (SELECT count(*) FROM records) AS written, EXISTS (SELECT FROM job) AS stored
"""


@dataclass(frozen=True, kw_only=True)
class Write:
    """One statement that stores records of a job, with its parameters."""

    query: str
    parameters: tuple[object, ...]


def write_of(header: JobHeader, rows: Sequence[RecordRow]) -> Write:
    """Return the statement that stores the job's row, its records, and the turns in the records.

    The statement returns one row: `written`, the number of records that were not stored yet, and
    `stored`, which is False if nothing was written.
    """
    known = known_migrations()[-1].version
    turns = [row for row in rows if row.kind == "turn"]
    texts = (
        [text_or_none(row.record.get(name)) for row in turns]
        for name in ("speaker", "question_id", "role", "generated", "heard")
    )
    return Write(
        query=_WRITE,
        parameters=(
            *(header.job_id, storable(header.interview_id), storable(header.room)),
            *(storable(header.worker_id), header.pid, header.token),
            rows[0].at if rows else None,
            *(known, generation(known) * 1000 + 999),
            [str(row.seq) for row in rows],
            [row.at.isoformat() for row in rows],
            [repr(row.t) for row in rows],
            [row.kind for row in rows],
            [json_text(row.record) for row in rows],
            [str(row.seq) for row in turns],
            [row.at.isoformat() for row in turns],
            [spoken_text(row.record) for row in turns],
            [str(row.record.get("interrupted") is True) for row in turns],
            *texts,
        ),
    )


#: SQL statement that locks the interview of the job $1, whose header names the interview $2. As in
#: all other statements, an interview is locked before its jobs.
LOCK_INTERVIEW: Final = """
SELECT 1 FROM interviews WHERE interview_id = coalesce(
    (SELECT interview_id FROM jobs WHERE job_id = $1), $2::text) FOR NO KEY UPDATE
"""

#: SQL statement that updates a job's conditions from the job's records. $1 is the job id. The SQL
#: function `wordless_records` reads the records, because a job's role may not read the words of
#: other jobs.
CONDITIONS = """
UPDATE jobs SET conditions = (
    SELECT coalesce(jsonb_object_agg(record->>'resource', record), '{}')
    FROM (
        SELECT DISTINCT ON (record->>'resource') record FROM wordless_records($1::text)
        WHERE kind = 'condition' AND record->>'resource' IS NOT NULL
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
WITH own AS MATERIALIZED (
    SELECT seq, at, kind, record FROM wordless_records($1::text)
), before AS (
    SELECT state, outcome, reason FROM jobs WHERE job_id = $1
), last_transition AS (
    SELECT at, record FROM own WHERE kind = 'transition' ORDER BY seq DESC LIMIT 1
), closed AS (
    SELECT at, record FROM own
    WHERE kind = 'transition' AND record->>'to' = 'CLOSED'
    ORDER BY seq DESC LIMIT 1
), exited AS (
    SELECT at, record,
           CASE WHEN record->>'signal' IS NULL THEN 'ProcessExited' ELSE 'ProcessKilled' END AS why
    FROM own WHERE kind = 'exit' ORDER BY seq DESC LIMIT 1
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
