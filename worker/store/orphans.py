"""Find orphaned interviews: open interviews without an interviewer.

Only one worker of each scope searches for orphaned interviews, the leader (`leader_lock`). The
caller checks whether the candidate is in the room, because the database does not know the
participants of a room. `record_looks` stores the result of the caller's check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from states import Outcome, Reason
from worker.store.database import BUDGET_S
from worker.store.interviews import INTERVIEW_FIELDS, Interview, interview_of
from worker.store.leases import EXPIRED, LAPSED, NOW, ROOM_FREE
from worker.store.scope import in_scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.store.database import Database
    from worker.store.scope import Scope

#: End reasons of a job that justify a redispatch of the interview: the job or its process failed,
#: but not the interview.
WORTH_ANOTHER_TRY: Final = (
    Reason.PROCESS_KILLED,
    Reason.PROCESS_EXITED,
    Reason.JOB_CRASHED,
    Reason.HANDSHAKE_FAILED,
    Reason.HANDSHAKE_TIMEOUT,
    Reason.BOOTSTRAP_NEVER_STARTED,
    Reason.BOOTSTRAP_TIMEOUT,
    Reason.SESSION_START_TIMEOUT,
    Reason.SESSION_FAILED,
    Reason.ROOM_LOST,
    Reason.WORKER_LOST,
    Reason.TURN_STUCK,
)
#: Reason of a redispatch: the interview lost its interviewer, and no job reported why.
LEASE_EXPIRED: Final = "LeaseExpired"
#: Reason of a redispatch: no worker took the last dispatch. LiveKit does not repeat a dispatch that
#: no worker takes, for example because no worker was free, or because it asked a worker that did
#: not answer.
NOT_TAKEN: Final = "NotTaken"
#: Reason of a redispatch: the last job handed the interview over. A handover is not a failure, so
#: the redispatch has no delay.
HANDED_OVER: Final = Reason.HANDOVER_REQUESTED
#: Reason of a redispatch: a worker claimed the last dispatch in the database, but could not send
#: the dispatch to LiveKit. See `claims.give_back_dispatches`.
NOT_SENT: Final = "NotSent"
#: Reason of a redispatch: the candidate had not come or had left, and is in the room now.
CANDIDATE_CAME: Final = "CandidateCame"
#: Reasons for which a redispatch does not count towards `Limits.tries`, because no job has failed.
UNCOUNTED: Final = (HANDED_OVER, NOT_TAKEN, CANDIDATE_CAME)
#: Reasons that a worker did not answer or a candidate came late. An interview that was broken off
#: is more urgent, because its candidate waits in the middle of the interview.
_LESS_URGENT: Final = (NOT_TAKEN, CANDIDATE_CAME)

#: Seconds after which a dispatch counts as not taken; a worker normally takes a dispatch within
#: milliseconds. Each consecutive dispatch that no worker takes gets 1.5 times as long as the
#: previous dispatch, up to the join deadline.
_TAKES_S: Final = 2
#: Seconds within which a claimed dispatch is normally sent, also as one of a thousand. A dispatch
#: without an id is still being sent, or the worker that claimed it has died.
_SENT_WITHIN_S: Final = 6
#: Seconds since the end of a failed job after which its interview is no longer redispatched.
_LOOKED_AT_S: Final = 600
#: Seconds without a dispatch after which an interview's number of redispatches (`Interview.tries`)
#: counts as 0.
_FORGOTTEN_S: Final = 300
#: Seconds after an outage of the database during which an interview without a lease is left alone:
#: its job may have begun during the outage, and takes the lease within this time. The longest delay
#: between two attempts to reach the database is 5 s.
_AFTER_OUTAGE_S: Final = 6
#: Maximum number of interviews that one call of `find_orphaned` returns. `record_looks` takes these
#: interviews out of the next call, so that the next call returns further interviews.
AT_A_TIME: Final = 200
#: Delay in seconds until the second look at an interview that could not be helped, and the longest
#: delay. Each look multiplies the delay by 1.5. An interview that was broken off has a shorter
#: delay, because its candidate may return at any time.
_LOOK_AGAIN_S: Final = 0.4
_URGENT_AGAIN_S: Final = 1.0
_LATER_AGAIN_S: Final = 4.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of redispatch: join deadline and delay in seconds, and maximum redispatches."""

    join_s: float
    delay_s: float
    tries: int
    #: The interviews that belong to the worker.
    scope: Scope


@dataclass(frozen=True, kw_only=True)
class OrphanedInterview:
    """An orphaned interview, that is, an interview without an interviewer."""

    interview: Interview
    #: Reason of the redispatch, as one CamelCase word.
    why: str
    #: Reason why the interview lost its last interviewer. It differs from `why` if the redispatch
    #: for this reason could not be sent, or was not taken by a worker.
    lost_why: str
    #: Id of the last interviewer's job. The last interviewer may still be a participant of the
    #: room.
    last_job: str | None
    #: True if the last look did not find the candidate in the room.
    was_absent: bool = False


@dataclass(frozen=True, kw_only=True)
class Look:
    """Result of a check of an orphaned interview that got no new interviewer."""

    found: OrphanedInterview
    #: True if the candidate is not in the room.
    absent: bool
    #: Fencing token of a claim that was given back after the check; None if there was no claim.
    claimed: int | None = None

    @property
    def token(self) -> int:
        """The interview's fencing token after the check."""
        return self.found.interview.token if self.claimed is None else self.claimed


#: SQL expression for `Interview.tries`, the number of counted redispatches; 0 if the last dispatch
#: is older than `_FORGOTTEN_S`.
TRIES: Final = (
    f"(CASE WHEN dispatched_at > {NOW} - interval '{_FORGOTTEN_S} s' THEN tries ELSE 0 END)"
)
#: SQL condition that the workers are in contact with the database, and that no outage has ended
#: just now.
_SETTLED = (
    f"EXISTS (SELECT FROM lease_contact AS contact WHERE {NOW} NOT BETWEEN contact.calm_since"
    f" AND contact.calm_since + interval '{_AFTER_OUTAGE_S} s'"
    f" AND contact.seen BETWEEN {NOW} - make_interval(secs => contact.gap_s)"
    f" AND {NOW} + make_interval(secs => contact.gap_s))"
)
_IN_WINDOW = f"closes_at > {NOW}"
_NOT_SENT = "(status = 'dispatched' AND lease_job IS NULL AND dispatched_at IS NULL)"
_LOST_AFTER_S = (
    f"greatest(least({_TAKES_S} * 1.5 ^ least(untaken, 9), $1::float8),"
    f" CASE WHEN dispatch_id IS NULL THEN {_SENT_WITHIN_S} END)"
)
_NOT_TAKEN = (
    f"(status = 'dispatched' AND lease_job IS NULL AND {_IN_WINDOW}"
    f" AND dispatched_at <= {NOW} - make_interval(secs => {_LOST_AFTER_S}))"
)
_HANDED_OVER = (
    "(status IN ('dispatched', 'running') AND lease_job IS NULL"
    " AND EXISTS (SELECT FROM jobs WHERE jobs.interview_id = interviews.interview_id"
    f" AND jobs.outcome = '{Outcome.HANDED_OVER}' AND jobs.reason = '{HANDED_OVER}'"
    " AND coalesce(jobs.token, 0) = interviews.token))"
)
_CANDIDATE_CAME = (
    f"(status = 'waiting' AND lease_job IS NULL AND {_IN_WINDOW}"
    f" AND (opens_at IS NULL OR opens_at <= {NOW}))"
)
#: SQL expression for the reason why an interview has no interviewer; null if no reason justifies a
#: redispatch. Its parameters are $1 join deadline in seconds, and $2 the reasons in
#: `WORTH_ANOTHER_TRY`. The condition `DUE` also uses $3 delay in seconds and $4 maximum tries.
WHY: Final = (
    "CASE"
    f" WHEN {_HANDED_OVER} THEN '{HANDED_OVER}'"
    f" WHEN status IN ('dispatched', 'running') AND {EXPIRED} THEN '{LEASE_EXPIRED}'"
    # A job that runs without the lease takes the lease within a second. If no job holds the lease
    # after the join deadline, the interview has lost its interviewer.
    f" WHEN status = 'running' AND lease_job IS NULL AND {_SETTLED}"
    f" AND updated_at <= {NOW} - make_interval(secs => $1::float8)"
    f" THEN '{LEASE_EXPIRED}'"
    f" WHEN {_NOT_SENT} AND {_SETTLED} THEN '{NOT_SENT}'"
    f" WHEN {_NOT_TAKEN} AND {_SETTLED} THEN '{NOT_TAKEN}'"
    f" WHEN {_CANDIDATE_CAME} THEN '{CANDIDATE_CAME}'"
    " WHEN status = 'ended' AND outcome = 'failed' AND lease_job IS NULL"
    f" AND updated_at > {NOW} - interval '{_LOOKED_AT_S} s' AND reason = ANY($2::text[])"
    " THEN reason END"
)
#: SQL expression for `OrphanedInterview.lost_why`, where `why` is the value of `WHY`.
_LOST_WHY = (
    f"CASE WHEN why IN ('{NOT_SENT}', '{NOT_TAKEN}') THEN coalesce(lost_why, why) ELSE why END"
)
#: SQL condition that a redispatch is not counted towards the tries.
FREE: Final = f"({_HANDED_OVER} OR {_NOT_TAKEN} OR {_CANDIDATE_CAME})"
#: SQL condition that a redispatch was lost, because no worker took it.
UNTAKEN: Final = _NOT_TAKEN
DUE: Final = (
    f"({FREE} OR {_NOT_SENT} OR {TRIES} < $4::integer AND ({TRIES} = 0"
    f" OR dispatched_at <= {NOW}"
    f" - make_interval(secs => $3::float8 * 2 ^ ({TRIES} - 1)))) AND {ROOM_FREE}"
)
#: Query for orphaned interviews. The parameters from $5 on are those of `in_scope`, then a job id,
#: a room, and the less urgent reasons. `candidates` uses only indexes and the small table `leases`.
#: `OFFSET 0` makes PostgreSQL read each interview by its key: it cannot know how many candidates
#: there are, and for a few it would choose a plan that takes seconds for thousands.
_FIND: Final = f"""
WITH candidates AS MATERIALIZED (
    SELECT interview_id FROM leases AS held, lease_contact AS contact WHERE {LAPSED}
    UNION SELECT interview_id FROM interviews
        WHERE status IN ('dispatched', 'running', 'waiting') AND lease_job IS NULL
    UNION SELECT interview_id FROM interviews
        WHERE outcome = 'failed' AND updated_at > {NOW} - interval '{_LOOKED_AT_S} s'
), due AS MATERIALIZED (
    SELECT candidates.interview_id, looked.token AS looked_token, absent_since, look_again_at
    FROM candidates LEFT JOIN orphans AS looked USING (interview_id)
    WHERE $8::text IS NOT NULL OR $9::text IS NOT NULL
        OR looked.look_again_at IS NULL OR looked.look_again_at <= {NOW}
), found AS MATERIALIZED (
    SELECT interviews.*, {WHY} AS why,
        looked_token = interviews.token AND absent_since IS NOT NULL AS was_absent,
        CASE WHEN looked_token = interviews.token THEN look_again_at END AS look_again_at
    FROM due CROSS JOIN LATERAL (
        SELECT * FROM interviews WHERE interviews.interview_id = due.interview_id OFFSET 0
    ) AS interviews
    WHERE {in_scope("$5", "$6", "$7")} AND {DUE}
        AND ($8::text IS NULL OR interviews.interview_id =
            (SELECT interview_id FROM jobs WHERE job_id = $8::text))
        AND ($9::text IS NULL OR room = $9::text)
), urgent AS MATERIALIZED (
    SELECT * FROM found WHERE why IS NOT NULL
    ORDER BY {_LOST_WHY} = ANY($10::text[]), look_again_at NULLS FIRST, interview_id
    LIMIT {AT_A_TIME}
)
SELECT {INTERVIEW_FIELDS}, lease.worker_id AS lease_worker, lease.expires AS lease_expires,
    why, {_LOST_WHY} AS lost_why, coalesce(was_absent, false) AS was_absent,
    coalesce(lease_job, (SELECT job_id FROM jobs WHERE jobs.interview_id = urgent.interview_id
        ORDER BY coalesce(jobs.token, 0) DESC, started_at DESC NULLS LAST LIMIT 1)) AS last_job
FROM urgent LEFT JOIN LATERAL (
    SELECT worker_id, expires FROM leases
    WHERE leases.interview_id = urgent.interview_id AND leases.token = urgent.token OFFSET 0
) AS lease ON true
ORDER BY {_LOST_WHY} = ANY($10::text[]), look_again_at NULLS FIRST, interview_id
"""
#: The same for a job with a role of its own, which finds only its interview: $11 is its pass.
_FIND_OWN: Final = _FIND.replace(
    "SELECT * FROM interviews WHERE interviews.interview_id = due.interview_id OFFSET 0",
    "SELECT * FROM own_interview(due.interview_id, $11::text) OFFSET 0",
)


def parameters(limits: Limits) -> tuple[object, ...]:
    """Return the values of the parameters $1 to $4 of the SQL expressions `WHY` and `DUE`."""
    reasons = [str(reason) for reason in WORTH_ANOTHER_TRY]
    return limits.join_s, reasons, limits.delay_s, limits.tries


async def find_orphaned(
    db: Database,
    limits: Limits,
    *,
    job_id: str | None = None,
    room: str | None = None,
    budget_s: float = BUDGET_S,
) -> list[OrphanedInterview]:
    """Return at most `AT_A_TIME` interviews that may be redispatched now, the most urgent first.

    An interview that was interrupted comes before an interview whose first dispatch no worker took.
    Within each group, an interview that was never checked comes first. An interview that was
    checked and got no interviewer is left out until its back-off is over (see `record_looks`).

    If `job_id` or `room` is given, return only the interview of that job or in that room, even
    during its back-off. The caller must check that the candidate is in the room, because the
    database does not know the participants of a room. Raises DatabaseUnavailable or
    DatabaseOperationFailed if the database operation fails.
    """
    rows = await db.fetch(
        "find_stranded",
        _FIND if db.own_pass is None else _FIND_OWN,
        *parameters(limits),
        *limits.scope.parameters,
        *(job_id, room, list(_LESS_URGENT)),
        *(() if db.own_pass is None else (db.own_pass,)),
        budget_s=budget_s,
    )
    return [
        OrphanedInterview(
            interview=interview_of(row),
            why=row["why"],
            lost_why=row["lost_why"],
            last_job=row["last_job"],
            was_absent=row["was_absent"],
        )
        for row in rows
    ]


_RECORD: Final = f"""
WITH looks AS (
    SELECT interview_id, token::bigint, absent::boolean, longest_s::float8
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
        AS look (interview_id, token, absent, longest_s)
)
INSERT INTO orphans AS seen (interview_id, token, absent_since, look_again_at)
SELECT interview_id, token, CASE WHEN absent THEN {NOW} END,
    {NOW} + make_interval(secs => {_LOOK_AGAIN_S})
FROM looks ORDER BY interview_id
ON CONFLICT (interview_id) DO UPDATE SET
    token = excluded.token,
    looks = CASE WHEN seen.token = excluded.token THEN seen.looks + 1 ELSE 1 END,
    absent_since = CASE WHEN excluded.absent_since IS NOT NULL AND seen.token = excluded.token
        THEN coalesce(seen.absent_since, excluded.absent_since) ELSE excluded.absent_since END,
    look_again_at = {NOW} + make_interval(secs => CASE WHEN seen.token = excluded.token
        THEN least({_LOOK_AGAIN_S} * 1.5 ^ least(seen.looks, 9),
            (SELECT longest_s FROM looks WHERE looks.interview_id = seen.interview_id))
        ELSE {_LOOK_AGAIN_S} END)
RETURNING seen.interview_id,
    extract(epoch FROM {NOW} - seen.absent_since)::float8 AS absent_s
"""


async def record_looks(
    db: Database, looks: Sequence[Look], *, budget_s: float = BUDGET_S
) -> dict[str, float]:
    """Store that orphaned interviews were checked and got no interviewer.

    `find_orphaned` leaves out each of these interviews until the interview's back-off is over.
    Return the seconds for which each absent candidate has been absent, by interview id. A
    redispatch raises the interview's token and happens only if the candidate is present, so an
    absence from before the redispatch does not count. Raises DatabaseUnavailable or
    DatabaseOperationFailed if the database operation fails.
    """
    if not looks:
        return {}
    rows = await db.fetch(
        "record_looks",
        _RECORD,
        [look.found.interview.interview_id for look in looks],
        [str(look.token) for look in looks],
        [str(look.absent) for look in looks],
        [
            str(_LATER_AGAIN_S if look.found.lost_why in _LESS_URGENT else _URGENT_AGAIN_S)
            for look in looks
        ],
        budget_s=budget_s,
    )
    return {row["interview_id"]: row["absent_s"] for row in rows if row["absent_s"] is not None}
