"""Update the status of an interview: dispatched, running, ended, cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from states import EndReason, Outcome, Phase, Reason
from states.table import phase_of
from worker.store.database import BUDGET_S
from worker.store.errors import DatabaseOperationFailed
from worker.store.interview import waits_for_candidate
from worker.store.interviews import SELECT_INTERVIEWS, interview_of, is_cancelled, is_over
from worker.store.leases import NOW, ONE_IN_ROOM, ROOM_FREE, release_ended
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from worker.store.connection import Connection, Row
    from worker.store.database import Database
    from worker.store.interviews import Interview
    from worker.store.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """Reasons not to dispatch an interview that is not over."""

    #: True if the window of an interview without an interviewer has closed. The leader ends such an
    #: interview within a minute. An interview that has an interviewer when its window closes
    #: continues.
    window_closed: bool
    #: True if another open interview has the room.
    room_in_use: bool


#: SQL condition that another open interview has the room. The LiveKit server is $2, which the
#: interview gets with its next dispatch, or the interview's own server if $2 is null.
_ROOM_IN_USE: Final = """
(NOT interviews.shares_room AND EXISTS (
    SELECT FROM interviews AS other
    WHERE other.room = interviews.room AND other.interview_id <> interviews.interview_id
        AND coalesce(other.livekit_url, '') = coalesce($2::text, interviews.livekit_url, '')
        AND other.status <> 'ended' AND NOT other.shares_room))
"""


@dataclass(frozen=True, kw_only=True)
class _Locked:
    """The fields of an interview that `settle` reads.

    The database role of the jobs may read these fields of any interview.
    """

    interview_id: str
    room: str
    status: str
    outcome: str | None
    reason: str | None
    token: int
    protocol: int

    @property
    def is_over(self) -> bool:
        """True if no further job may take the interview's lease (`Interview.is_over`)."""
        return is_over(self.status, self.outcome, self.reason)

    @property
    def is_cancelled(self) -> bool:
        """True if the interview was cancelled with a command (`Interview.is_cancelled`)."""
        return is_cancelled(self.status, self.outcome, self.reason)


_LOCKED_FIELDS: Final = tuple(_Locked.__dataclass_fields__)
_LOCK: Final = (
    f"SELECT {', '.join(_LOCKED_FIELDS)} FROM interviews WHERE interview_id = $1 FOR NO KEY UPDATE"
)


async def obstacles_of(
    db: Database, interview_id: str, *, scope: Scope | None = None, budget_s: float = BUDGET_S
) -> Obstacles | None:
    """Return the reasons not to dispatch an interview; None if the id is unknown.

    If `scope` is given, the result is for a dispatch that assigns the interview to the workers of
    that scope. Raises `DatabaseUnavailable` or `DatabaseOperationFailed` if the database operation
    fails.
    """
    rows = await db.fetch(
        "obstacles_of",
        f"SELECT status IN ('created', 'waiting') AND closes_at <= {NOW} AS window_closed,"
        f" NOT {ROOM_FREE} OR {_ROOM_IN_USE} AS room_in_use FROM interviews"
        " WHERE interview_id = $1",
        *(interview_id, scope.livekit if scope is not None else None),
        budget_s=budget_s,
    )
    if not rows:
        return None
    return Obstacles(window_closed=rows[0]["window_closed"], room_in_use=rows[0]["room_in_use"])


async def set_dispatched(
    db: Database,
    interview_id: str,
    *,
    dispatch_id: str,
    scope: Scope | None = None,
    budget_s: float = BUDGET_S,
) -> bool:
    """Store a dispatch of the interview; return False if the interview is over or does not exist.

    An interview also counts as over if another open interview of the same LiveKit server has the
    same room. With `scope`, the interview belongs to the workers and the LiveKit server of that
    scope from now on. Raises `DatabaseUnavailable` or `DatabaseOperationFailed` if the database
    operation fails.
    """
    agent_name, livekit = (scope.agent_name, scope.livekit) if scope is not None else (None, None)

    async def note(connection: Connection) -> bool:
        interview = await _locked(connection, interview_id)
        if interview is None or interview.is_over:
            return False
        status = await connection.execute(
            "UPDATE interviews SET status = 'dispatched', outcome = NULL, reason = NULL,"
            " dispatch_id = $2, dispatch_token = token, dispatched_at = now(), tries = 0,"
            " updated_at = now(), agent_name = coalesce($3, agent_name),"
            " livekit_url = coalesce($4, livekit_url)"
            f" WHERE interview_id = $1 AND {ROOM_FREE}",
            *(interview_id, dispatch_id, agent_name, livekit),
        )
        return status == "UPDATE 1"

    try:
        return await db.run("set_dispatched", note, budget_s=budget_s)
    except DatabaseOperationFailed as error:
        if not error.violates(ONE_IN_ROOM):
            raise
        return False


async def cancel_interview(
    db: Database, interview_id: str, *, budget_s: float = BUDGET_S
) -> Interview | None:
    """Cancel an interview that is not over.

    Return the interview as it was before; None if it does not exist.

    The interview ends with the outcome `cancelled` and the reason `CancelRequested`, and its token
    is raised. Therefore no earlier job can continue the interview, a redispatch that was claimed
    before has no effect, and a running job notices the end at its next check of its lease. An
    interview that is over, or whose protocol is newer than this version supports, is not changed.

    Raises `DatabaseUnavailable` or `DatabaseOperationFailed` if the database operation fails.
    """

    async def cancel(connection: Connection) -> Interview | None:
        query = f"{SELECT_INTERVIEWS} WHERE interviews.interview_id = $1"
        row = await connection.fetchrow(f"{query} FOR NO KEY UPDATE OF interviews", interview_id)
        interview = None if row is None else interview_of(row)
        if interview is None or interview.is_over or interview.protocol > PROTOCOL:
            return interview
        await connection.execute(
            "UPDATE interviews SET token = token + 1, status = 'ended', outcome = $2, reason = $3,"
            " lease_job = NULL, lost_why = NULL, updated_at = now() WHERE interview_id = $1",
            *(interview_id, Outcome.CANCELLED, Reason.CANCEL_REQUESTED),
        )
        await connection.execute("DELETE FROM leases WHERE interview_id = $1", interview_id)
        await connection.execute("DELETE FROM orphans WHERE interview_id = $1", interview_id)
        return interview

    return await db.run("cancel_interview", cancel, budget_s=budget_s)


async def store_end(
    db: Database,
    interview_id: str,
    *,
    job_id: str,
    room: str | None = None,
    token: int | None,
    outcome: Outcome,
    reason: EndReason,
    budget_s: float = BUDGET_S,
) -> None:
    """Store the outcome of a job whose process still runs, and release the job's lease.

    `room` is the job's room: a job in another room than the interview's does not change the
    interview. All turns of the job must be stored already, because the next interviewer continues
    from these turns. The job's journal contains the same outcome and is ingested later. Raises
    DatabaseUnavailable or DatabaseOperationFailed if the database operation fails.
    """

    async def end(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO jobs (job_id, interview_id, token, outcome, reason, room)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (job_id) DO UPDATE SET"
            " outcome = excluded.outcome, reason = excluded.reason,"
            " room = coalesce(jobs.room, excluded.room),"
            " interview_id = coalesce(jobs.interview_id, excluded.interview_id),"
            " token = greatest(jobs.token, excluded.token)",
            job_id,
            interview_id,
            token,
            outcome,
            reason,
            room,
        )
        await settle(connection, interview_id)

    await db.run("store_end", end, budget_s=budget_s)


async def settle(connection: Connection, interview_id: str) -> None:
    """Set the interview's status from its last job: running, or ended with that job's outcome.

    The last job is the job with the highest token. If several jobs have the highest token, the job
    that started last counts as the last job. Jobs that were superseded, have lost the lease, or
    found the interview over, are ignored. A handover does not end the interview. An interview that
    is over stays over, even if a job that does not know of the end still runs. The lease of a job
    that has ended is released. If a job ends because the candidate is absent, or wants another
    time, the interview waits for the candidate until its window closes. An interview that has ended
    is not reopened while another interview is open in the same room. A job in another room than the
    interview's is ignored. An interview that was cancelled, or whose protocol is newer than this
    version supports, is not changed.
    """
    # The row lock serialises jobs that end at the same time, so that the second job sees the writes
    # of the first job.
    interview = await _locked(connection, interview_id)
    if interview is None or interview.protocol > PROTOCOL:
        return
    await release_ended(connection, interview_id)
    if interview.is_cancelled:
        return
    last = await _last_job(connection, interview)
    if last is None:
        return
    if last["outcome"] == Outcome.HANDED_OVER:
        # After this statement `find_orphaned` returns the interview, so that it is redispatched.
        await connection.execute(
            "UPDATE interviews SET updated_at = now() WHERE interview_id = $1", interview_id
        )
        return
    if last["outcome"] is not None:
        await _end(connection, interview_id, last)
    elif phase_of(last["state"]) is Phase.SESSION and not interview.is_over:
        await connection.execute(
            "UPDATE interviews SET status = 'running', outcome = NULL, reason = NULL,"
            " updated_at = now() WHERE interview_id = $1 AND status <> 'running'"
            f" AND {ROOM_FREE}",
            interview_id,
        )


async def _end(connection: Connection, interview_id: str, last: Row) -> None:
    """End the interview as its last job ended, or let it wait for the candidate."""
    waits = waits_for_candidate(last["outcome"], last["reason"])
    query = _WITHOUT_CANDIDATE if waits else _END
    await connection.execute(query, interview_id, last["outcome"], last["reason"])


_END: Final = """
UPDATE interviews SET status = 'ended', outcome = $2, reason = $3, updated_at = now()
WHERE interview_id = $1 AND (status, outcome, reason) IS DISTINCT FROM ('ended', $2, $3)
"""
_WITHOUT_CANDIDATE: Final = f"""
UPDATE interviews SET updated_at = now(), reason = $3,
    status = CASE WHEN closes_at > now() THEN 'waiting' ELSE 'ended' END,
    outcome = CASE WHEN closes_at > now() THEN NULL ELSE $2::text END
WHERE interview_id = $1 AND (status IN ('created', 'dispatched', 'running')
    OR status = 'ended' AND (outcome, reason) IS DISTINCT FROM ($2::text, $3) AND {ROOM_FREE})
"""


async def _locked(connection: Connection, interview_id: str) -> _Locked | None:
    """Return the interview, locked against other writers until the transaction ends."""
    row = await connection.fetchrow(_LOCK, interview_id)
    return None if row is None else _Locked(**{name: row[name] for name in _LOCKED_FIELDS})


async def _last_job(connection: Connection, interview: _Locked) -> Row | None:
    """Return state, outcome and reason of the last job (see `settle`); None if there is none."""
    return await connection.fetchrow(
        "SELECT state, outcome, reason FROM jobs WHERE interview_id = $1"
        " AND outcome IS DISTINCT FROM $2 AND reason IS DISTINCT FROM $3"
        " AND coalesce(token, $4) >= $4 AND coalesce(room, $5) = $5"
        " ORDER BY coalesce(token, 0) DESC, started_at DESC NULLS LAST, job_id DESC LIMIT 1",
        interview.interview_id,
        Outcome.SUPERSEDED,
        Reason.INTERVIEW_ALREADY_OVER,
        interview.token,
        interview.room,
    )
