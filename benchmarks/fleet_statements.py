"""Statements of the fleet benchmark on the tables of interviews and leases.

With benchmarks/fleet_ledger.py this is all of the benchmark that depends on names of the code and
of its tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from worker.store.database import Database
from worker.store.heartbeat import WorkerRow, beat
from worker.store.scope import Scope

#: Tables that a renewal changes, and whose updates are counted.
RENEWED_TABLES: Final = ("leases",)


class _StatementSeen(Exception):
    """Raised instead of running a statement that is only looked at."""


class _StatementReader:
    """Takes the place of a `Database`, and keeps the statement that it is given."""

    def __init__(self) -> None:
        self.statement: tuple[str, tuple[object, ...]] = ("", ())

    async def fetch(
        self, name: str, query: str, *args: object, budget_s: float, often: bool
    ) -> list[Any]:
        self.statement = (query, args)
        raise _StatementSeen(name)


async def renewal_statement(
    job_ids: Sequence[str], *, worker_id: str, lease_s: float
) -> tuple[str, tuple[object, ...]]:
    """Return the statement with which a worker renews its leases, and its parameters."""
    reader = _StatementReader()
    scope = Scope(agent_name="interviewer", livekit="", takes_unnamed=True)
    try:
        await beat(
            cast(Database, reader),
            job_ids,
            worker_id=worker_id,
            scope=scope,
            lease_s=lease_s,
            every_s=0.5,
            row=WorkerRow(takes_jobs=True, free_slots=1),
        )
    except _StatementSeen:
        return reader.statement
    raise RuntimeError("the renewal sent no statement")


#: Stores interviews that no job has taken: $1 prefix of the ids, $2 number, $3 plan.
CREATED: Final = """
INSERT INTO interviews (interview_id, room, candidate_identity, plan)
SELECT $1::text || n, 'interview-' || $1::text || n, 'candidate-' || $1::text || n, $3::jsonb
FROM generate_series(1, $2::integer) AS n
"""
#: Stores interviews that were dispatched 20 s ago, and that no job has taken. Parameters as above.
UNTAKEN: Final = """
INSERT INTO interviews (interview_id, room, candidate_identity, plan, status, dispatch_token,
    dispatched_at)
SELECT $1::text || n, 'interview-' || $1::text || n, 'candidate-' || $1::text || n, $3::jsonb,
    'dispatched', 0, clock_timestamp() - interval '20 s'
FROM generate_series(1, $2::integer) AS n
"""
#: Stores running interviews whose leases end in $4 seconds, all at the same time, and returns their
#: number. The lease has the duration $5. $1 to $3 as above.
RUNNING: Final = """
WITH stored AS (
    INSERT INTO interviews (interview_id, room, candidate_identity, plan, status, dispatch_token,
        dispatched_at, token, lease_job)
    SELECT $1::text || n, 'interview-' || $1::text || n, 'candidate-' || $1::text || n, $3::jsonb,
        'running', 1, now() - interval '60 s', 1, 'AJ_' || $1::text || n
    FROM generate_series(1, $2::integer) AS n RETURNING interview_id, token, lease_job
), leased AS (
    INSERT INTO leases (interview_id, token, job_id, worker_id, lease_s, expires)
    SELECT interview_id, token, lease_job, 'gone', $5::float8,
        now() + make_interval(secs => $4::float8) FROM stored
)
SELECT count(*) FROM stored
"""
#: Returns how many interviews with the prefix $1 were claimed for a redispatch.
CLAIMED: Final = """
SELECT count(*) FROM interviews WHERE starts_with(interview_id, $1::text) AND dispatch_token > 1
"""
#: Returns how many interviews with the prefix $1 have a lease with the token $2 or a higher one.
LEASED: Final = """
SELECT count(*) FROM leases WHERE starts_with(interview_id, $1::text) AND token >= $2::bigint
"""
