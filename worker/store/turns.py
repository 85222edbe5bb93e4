"""Stored turns: the speaker, the text, and the part of the text that was heard.

If a job ended before a partial answer was committed as a turn, the partial answer counts as a turn
as well. The query `TURNS` assembles the partial answer from the job's `hearing` records, so no
process has to write a turn for the partial answer later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.store.connection import Row


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of an interview: the words of one speaker until the other speaker begins.

    `text` contains the candidate's committed words, or the heard part of the interviewer's words.
    The heard part may be shorter than `generated`.
    """

    interview_id: str | None
    job_id: str
    #: Position of the turn in the job's journal.
    seq: int
    at: datetime
    speaker: Literal["candidate", "interviewer"]
    question_id: str | None
    role: str | None
    text: str
    generated: str | None
    heard: str | None
    interrupted: bool
    #: True if the turn came from a job that had lost its lease.
    late: bool
    #: Interim transcript at the end of `text`; empty if the whole transcript was final.
    interim: str = ""


#: Order of turns and records: by job, and then by position in the journal.
_ORDER: Final = "coalesce(jobs.token, 0), jobs.started_at, said.job_id, said.seq"
#: End of a query that returns one row for each turn.
_EACH: Final = f"""
SELECT said.* FROM said LEFT JOIN jobs USING (job_id) ORDER BY said.interview_id, {_ORDER}
"""
#: End of a query that returns one row for one interview: JSON arrays of its turns and of its
#: dialogue records, each record with its job's id.
_WITH_DIALOGUE: Final = """
SELECT
    (SELECT json_agg(to_json(said) ORDER BY {order})
        FROM said LEFT JOIN jobs USING (job_id)) AS turns,
    (SELECT json_agg(json_build_array(said.job_id, said.record) ORDER BY {order})
        FROM jobs JOIN {records} AS said USING (job_id)
        WHERE jobs.interview_id = ANY($1::text[]) AND kind = 'dialogue') AS dialogue
"""


def _query(*, turns: str, records: str, first: str = "", dialogue: bool = False) -> str:
    """Return the query for turns from the tables `turns` and `records`.

    `first` is the beginning of the query's WITH clause, which may define `turns` and `records`.
    With `dialogue`, the query has the dialogue records too.
    """
    last = _WITH_DIALOGUE.format(order=_ORDER, records=records) if dialogue else _EACH
    return f"""
WITH {first}hearing AS (
    SELECT job_id, jobs.interview_id, seq, at, record
    FROM jobs JOIN {records} AS heard USING (job_id)
    WHERE jobs.interview_id = ANY($1::text[]) AND kind = 'hearing' AND seq > (
        SELECT coalesce(max(
            CASE WHEN jsonb_typeof(turn.record->'hearing') = 'number'
            THEN (turn.record->>'hearing')::numeric END), -1)
        FROM {records} AS turn WHERE turn.job_id = jobs.job_id AND turn.kind = 'turn'
    )
), half_answers AS (
    SELECT job_id, interview_id, max(seq) AS seq, max(at) AS at,
        string_agg(nullif(record->>'final', ''), ' ' ORDER BY seq) AS final,
        nullif((array_agg(record->>'interim' ORDER BY seq DESC))[1], '') AS interim,
        (array_agg(record->>'question_id' ORDER BY seq DESC))[1] AS question_id
    FROM hearing GROUP BY job_id, interview_id
), said AS (
    SELECT job_id, seq, interview_id, at, speaker, question_id, role, text, generated, heard,
        interrupted, late, '' AS interim
    FROM {turns} AS turns WHERE interview_id = ANY($1::text[])
    UNION ALL
    SELECT job_id, seq, interview_id, at, 'candidate', question_id, NULL,
        concat_ws(' ', final, interim), NULL, NULL, true, false, coalesce(interim, '')
    FROM half_answers WHERE coalesce(final, interim) IS NOT NULL
){last}"""


def _own_query(*, dialogue: bool = False) -> str:
    """Return the query of `_query` for the database role of jobs."""
    return _query(
        turns="own_turns(($1::text[])[1], $2::text)",
        records="own",
        first="own AS MATERIALIZED (SELECT * FROM own_records(($1::text[])[1], $2::text)), ",
        dialogue=dialogue,
    )


#: Query for every turn of the interviews $1 (an array of ids), ordered by interview, by job, and
#: then by position in the journal.
TURNS: Final = _query(turns="turns", records="job_records")
#: Variant of the query `TURNS` for the database role of jobs; $1 is an array of one id, and $2 the
#: pass of this interview.
OWN_TURNS: Final = _own_query()
#: Query for one row with the turns and the dialogue records of the interview $1 (an array of one
#: id), as JSON arrays in the order of `TURNS`. An array without entries is NULL.
TURNS_AND_DIALOGUE: Final = _query(turns="turns", records="job_records", dialogue=True)
#: Variant of the query `TURNS_AND_DIALOGUE` for the database role of jobs, as `OWN_TURNS`.
OWN_TURNS_AND_DIALOGUE: Final = _own_query(dialogue=True)


def turn_of(row: Row) -> Turn:
    """Convert a row of the query `TURNS`."""
    return Turn(**{name: row[name] for name in Turn.__dataclass_fields__})


def turn_from_json(data: Mapping[str, Any]) -> Turn:
    """Convert a turn in the JSON array of the query `TURNS_AND_DIALOGUE`."""
    at = datetime.fromisoformat(data["at"])
    return Turn(**{**{name: data[name] for name in Turn.__dataclass_fields__}, "at": at})


def turn_as_data(turn: Turn) -> dict[str, Any]:
    """Return the turn as JSON data, in the form in which a dispatch passes it to an interviewer."""
    return {
        "speaker": turn.speaker,
        "text": turn.text,
        "at": turn.at.isoformat(),
        "question_id": turn.question_id,
        "role": turn.role,
        "generated": turn.generated or "",
        "interrupted": turn.interrupted,
    }
