"""Claim the right to redispatch orphaned interviews, and end interviews without a candidate.

A claim raises the interview's fencing token. Therefore only one of several concurrent claims
succeeds, and an earlier interviewer that is still alive is muted. Every public function takes a
time budget in seconds, and raises DatabaseUnavailable or DatabaseOperationFailed if the database
operation fails. All array parameters are of text, because asyncpg asks the server for any other
array type at its first use on each connection, which costs six round trips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from states import Outcome, Reason
from worker.store.database import BUDGET_S
from worker.store.leases import EXPIRED, NOW
from worker.store.orphans import DUE, FREE, TRIES, UNCOUNTED, UNTAKEN, WHY, parameters
from worker.store.scope import in_scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.store.database import Database
    from worker.store.orphans import Limits, OrphanedInterview
    from worker.store.scope import Scope

#: Seconds that an interview must have been without an interviewer before `end_closed` ends it.
_SETTLED_S: Final = 600
#: Maximum number of interviews that one call of `end_closed` ends.
_AT_A_TIME: Final = 500

#: Beginning of a SQL statement that claims the interviews of the parameters $5 to $7, under the
#: name `claimed`. Triggers delete the rows that a job's role may not delete.
_CLAIMED: Final = f"""
WITH claimed AS (
    UPDATE interviews SET token = token + 1, dispatch_token = token + 1, dispatch_id = NULL,
        tries = {TRIES} + CASE WHEN {FREE} THEN 0 ELSE 1 END,
        untaken = CASE WHEN {UNTAKEN} THEN untaken + 1 ELSE 0 END, lost_why = found_why,
        dispatched_at = {NOW}, updated_at = {NOW},
        status = 'dispatched', outcome = NULL, reason = NULL, lease_job = NULL
    FROM unnest($5::text[], $6::text[], $7::text[]) AS orphan (found_id, found_token, found_why)
    WHERE interviews.interview_id = found_id AND interviews.token = found_token::bigint
        AND ({WHY}) IS NOT NULL AND {DUE}
    RETURNING interviews.interview_id, interviews.token
)"""
_CLAIM_OWN: Final = f"{_CLAIMED} SELECT interview_id, token FROM claimed"
_CLAIM: Final = f"""
{_CLAIMED}, released AS (
    DELETE FROM leases USING claimed WHERE leases.interview_id = claimed.interview_id
), looked AS (
    DELETE FROM orphans USING claimed WHERE orphans.interview_id = claimed.interview_id
)
SELECT interview_id, token FROM claimed
"""


async def claim_dispatches(
    db: Database,
    found: Sequence[OrphanedInterview],
    limits: Limits,
    *,
    budget_s: float = BUDGET_S,
) -> dict[str, int]:
    """Claim the right to redispatch interviews; return the new tokens by interview id.

    An interview is missing in the result if another worker was faster, if the interview has got an
    interviewer since, or if it has ended and another interview of its room is claimed too.
    """
    found = _one_in_room(found)
    if not found:
        return {}
    rows = await db.fetch(
        "claim_dispatch",
        _CLAIM if db.own_pass is None else _CLAIM_OWN,
        *parameters(limits),
        [each.interview.interview_id for each in found],
        [str(each.interview.token) for each in found],
        [each.lost_why for each in found],
        budget_s=budget_s,
    )
    return {row["interview_id"]: row["token"] for row in rows}


def _one_in_room(found: Sequence[OrphanedInterview]) -> list[OrphanedInterview]:
    """Return `found` without ended interviews that share their room with another interview.

    A claim opens an ended interview again, and a room has at most one open interview. If two
    interviews of one room were claimed, the statement would fail for all interviews. An interview
    that is left out is not claimed later either, because its room is then in use.
    """
    rooms = {each.interview.room for each in found if each.interview.status != "ended"}
    chosen = []
    for each in found:
        interview = each.interview
        if interview.status == "ended":
            if interview.room in rooms:
                continue
            rooms.add(interview.room)
        chosen.append(each)
    return chosen


_NOTE: Final = f"""
UPDATE interviews SET dispatch_id = sent.dispatch_id, dispatched_at = {NOW}
FROM unnest($1::text[], $2::text[], $3::text[]) AS sent (interview_id, token, dispatch_id)
WHERE interviews.interview_id = sent.interview_id
    AND interviews.dispatch_token = sent.token::bigint
"""


async def note_dispatches(
    db: Database, sent: Mapping[str, tuple[int, str]], *, budget_s: float = BUDGET_S
) -> None:
    """Store the dispatch ids from LiveKit, and the current time, in the interviews' rows.

    The time limit for a worker to take the dispatch begins at the stored time, because a dispatch
    may be sent some time after the claim. `sent` maps each interview's id to the claimed token and
    the id of the dispatch. Nothing is stored for an interview whose dispatch token has changed
    since.
    """
    if sent:
        await db.fetch(
            "note_dispatch",
            _NOTE,
            list(sent),
            [str(token) for token, _ in sent.values()],
            [dispatch_id for _, dispatch_id in sent.values()],
            budget_s=budget_s,
        )


_GIVE_BACK: Final = """
UPDATE interviews SET dispatched_at = NULL, tries = greatest(tries - claim_tries::integer, 0)
FROM unnest($1::text[], $2::text[], $3::text[]) AS claim (claimed_id, claim_token, claim_tries)
WHERE interviews.interview_id = claimed_id AND token = claim_token::bigint
    AND dispatch_token = claim_token::bigint AND lease_job IS NULL AND dispatch_id IS NULL
    AND dispatched_at IS NOT NULL
"""


async def give_back_dispatches(
    db: Database,
    claims: Sequence[tuple[OrphanedInterview, int]],
    *,
    budget_s: float = BUDGET_S,
) -> None:
    """Undo claims whose dispatches were not sent, so that another claim is possible at once.

    `claims` contains each interview with the token that was claimed. A dispatch that was not sent
    does not count as a redispatch. If an interviewer has already joined, the claim is not undone,
    and the interviewer keeps the interview.
    """
    if claims:
        await db.fetch(
            "give_back_dispatch",
            _GIVE_BACK,
            [found.interview.interview_id for found, _ in claims],
            [str(token) for _, token in claims],
            [str(int(found.why not in UNCOUNTED)) for found, _ in claims],
            budget_s=budget_s,
        )


#: Statement that leaves interviews without their candidates: within its window, an interview waits
#: for its candidate; after the window, the interview is over.
_WITHOUT_CANDIDATE: Final = f"""
WITH left_alone AS (
    UPDATE interviews SET token = token + 1, updated_at = {NOW}, lease_job = NULL,
        status = CASE WHEN closes_at > {NOW} THEN 'waiting' ELSE 'ended' END,
        outcome = CASE WHEN closes_at > {NOW} THEN NULL ELSE $3::text END,
        reason = $4::text
    FROM unnest($5::text[], $6::text[]) AS orphan (found_id, found_token)
    WHERE interviews.interview_id = found_id AND interviews.token = found_token::bigint
        AND status NOT IN ('ended', 'waiting') AND ({WHY}) IS NOT NULL
    RETURNING interviews.interview_id
)
DELETE FROM leases USING left_alone WHERE leases.interview_id = left_alone.interview_id
"""


async def end_without_candidate(
    db: Database,
    found: Sequence[OrphanedInterview],
    limits: Limits,
    *,
    budget_s: float = BUDGET_S,
) -> None:
    """Let interviews whose candidates have left wait for their candidates, or end them.

    An interview waits until its window closes, and is over afterwards. The interview's token rises,
    so that an earlier job that is still alive cannot continue the interview.
    """
    if found:
        await db.fetch(
            "end_without_candidate",
            _WITHOUT_CANDIDATE,
            *parameters(limits)[:2],
            *(Outcome.ABANDONED, Reason.CANDIDATE_LEFT),
            [each.interview.interview_id for each in found],
            [str(each.interview.token) for each in found],
            budget_s=budget_s,
        )


_CLOSE: Final = f"""
WITH closed AS (
    UPDATE interviews SET token = token + 1, status = 'ended', outcome = $4, reason = $5,
        updated_at = {NOW}, lease_job = NULL
    WHERE interview_id IN (
        SELECT interview_id FROM interviews
        WHERE status <> 'ended' AND closes_at <= {NOW} AND {in_scope("$1", "$2", "$3")}
            AND (lease_job IS NULL OR {EXPIRED})
            AND (status IN ('created', 'waiting')
                OR updated_at <= {NOW} - interval '{_SETTLED_S} s')
        ORDER BY closes_at LIMIT {_AT_A_TIME} FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING interview_id
), released AS (
    DELETE FROM leases USING closed WHERE leases.interview_id = closed.interview_id
), looked AS (
    DELETE FROM orphans USING closed WHERE orphans.interview_id = closed.interview_id
)
SELECT interview_id FROM closed
"""


async def end_closed(db: Database, scope: Scope, *, budget_s: float = BUDGET_S) -> list[str]:
    """End interviews whose window has closed and that have no interviewer; return their ids.

    An interview that was running within the last `_SETTLED_S` seconds is not ended, because its
    candidate may still be in the room. At most `_AT_A_TIME` interviews end.
    """
    rows = await db.fetch(
        "end_closed",
        _CLOSE,
        *scope.parameters,
        *(Outcome.ABANDONED, Reason.WINDOW_CLOSED),
        budget_s=budget_s,
    )
    return [row["interview_id"] for row in rows]
