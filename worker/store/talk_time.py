"""How much of its time limit an interview has used, from the stored records of its jobs."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from states.counted_time import counted_s
from worker.store.database import BUDGET_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.store.connection import Row
    from worker.store.database import Database

logger = logging.getLogger(__name__)

#: Query for the records from which `counted_s` computes the seconds of each job of the interviews
#: $1 except the job $2: the transitions, the records of the clock, and the last other record before
#: the job closed. Fault records and the exit record are not read, because they do not show that the
#: job was at work. The function `wordless_records` reads the records of each job by their key.
_RECORDS: Final = """
WITH held AS MATERIALIZED (
    SELECT interview_id, job_id FROM jobs
    WHERE interview_id = ANY($1::text[]) AND job_id IS DISTINCT FROM $2::text
), marks AS MATERIALIZED (
    SELECT held.interview_id, held.job_id, mark.seq, mark.t, mark.kind,
        mark.record->>'event' AS event, mark.record->>'to' AS target,
        mark.record->>'earlier_s' AS earlier_s
    FROM held CROSS JOIN LATERAL wordless_records(held.job_id) AS mark
    WHERE mark.kind IN ('transition', 'clock')
), closing AS MATERIALIZED (
    SELECT job_id, min(seq) AS seq FROM marks
    WHERE kind = 'transition' AND target = 'CLOSING' GROUP BY job_id
)
SELECT interview_id, job_id, seq, t, kind, event, target, earlier_s FROM marks
UNION ALL
SELECT held.interview_id, held.job_id, last_sign.seq, last_sign.t, last_sign.kind,
    NULL, NULL, NULL
FROM held LEFT JOIN closing USING (job_id) CROSS JOIN LATERAL (
    SELECT seq, t, kind FROM job_records
    WHERE job_records.job_id = held.job_id
        AND kind NOT IN ('transition', 'clock', 'fault', 'exit')
        AND (closing.seq IS NULL OR job_records.seq < closing.seq)
    ORDER BY seq DESC LIMIT 1
) AS last_sign
"""


async def talk_seconds(
    db: Database, interview_id: str, *, besides: str | None = None, budget_s: float = BUDGET_S
) -> float:
    """Return the seconds of the time limit that the jobs of an interview have used so far.

    A second counts if the job was RUNNING, the candidate was present, and output was not paused.
    For a job that died, the time up to its last stored record counts. The job `besides` is left
    out, as is a job whose records are invalid. If the records of earlier jobs are not stored yet,
    the number of used seconds that a later job's dispatch contains counts instead. Raises
    DatabaseError if the database fails.
    """
    used = await talk_seconds_of_all(db, [interview_id], besides=besides, budget_s=budget_s)
    return used[interview_id]


async def talk_seconds_of_all(
    db: Database,
    interview_ids: Sequence[str],
    *,
    besides: str | None = None,
    budget_s: float = BUDGET_S,
) -> dict[str, float]:
    """Return what `talk_seconds` returns for each interview, by interview id, in one statement."""
    rows = await db.fetch("talk_seconds", _RECORDS, list(interview_ids), besides, budget_s=budget_s)
    records: defaultdict[str, defaultdict[str, list[dict[str, Any]]]]
    records = defaultdict(lambda: defaultdict(list))
    for row in rows:
        records[row["interview_id"]][row["job_id"]].append(_record_of(row))
    return {each: _used_s(records.get(each, {})) for each in interview_ids}


def _used_s(records: Mapping[str, list[dict[str, Any]]]) -> float:
    """Return the seconds that the jobs of one interview have used, from the records of each job."""
    own_s = {job_id: _counted(job_id, of_job) for job_id, of_job in records.items()}
    known_s = (
        own_s[job_id] + max(record["earlier_s"] for record in of_job)
        for job_id, of_job in records.items()
    )
    return max(sum(own_s.values()), max(known_s, default=0.0))


def _record_of(row: Row) -> dict[str, Any]:
    """Return the part of a record that `counted_s` reads, and the record's `earlier_s` or 0."""
    return {
        "seq": row["seq"],
        "t": row["t"],
        "kind": row["kind"],
        "event": row["event"],
        "to": row["target"],
        "earlier_s": _seconds(row["earlier_s"]),
    }


def _seconds(text: str | None) -> float:
    try:
        seconds = float(text or 0.0)
    except ValueError:  # invalid records, for example of an edited journal
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0


def _counted(job_id: str, records: list[dict[str, Any]]) -> float:
    try:
        return counted_s(records)
    except (KeyError, TypeError, ValueError) as error:
        logger.warning(
            "the time that a job used is not known, because its records are invalid: %s",
            type(error).__name__,
            extra={"event": "job_time_unknown", "job_id": job_id},
        )
        return 0.0
