"""Redispatch: send new interviewers to orphaned interviews whose candidates are in the room."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from states import Reason
from worker.aio.tasks import cancel_and_wait
from worker.livekit_api.errors import LiveKitError
from worker.store.errors import DatabaseError
from worker.store.orphans import AT_A_TIME, CANDIDATE_CAME, HANDED_OVER, NOT_SENT, Look

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from worker.continuity.orphan_store import OrphanStore
    from worker.continuity.rooms import Rooms
    from worker.store.orphans import OrphanedInterview

logger = logging.getLogger(__name__)

#: Maximum number of pages of orphaned interviews in one check. A check of more would take so long
#: that this worker could lose the leader lock.
_PAGES: Final = 10
#: Maximum number of unknown interviewers to remember.
_REMEMBERED: Final = 10_000
#: Maximum seconds to wait for an interviewer in the room that the database does not know. Such a
#: job takes the interview's lease within a second, if it is alive and reaches the database.
_UNKNOWN_S: Final = 5.0
#: Maximum seconds to undo a claim whose dispatch was cancelled.
_GIVE_BACK_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """An interview that this worker has claimed, and that gets a new interviewer."""

    found: OrphanedInterview
    #: Fencing token of the new dispatch.
    token: int
    #: Identity of the last interviewer, which is still in the room; None if it is not.
    leftover: str | None

    @property
    def interview_id(self) -> str:
        """Id of the interview."""
        return self.found.interview.interview_id


class Redispatcher:
    """Redispatches orphaned interviews whose candidates are in the room.

    Args:
        livekit: Access to the LiveKit rooms.
        identity: Returns the identity of a job's agent.
        grace_s: Seconds that a candidate may be absent before the interview is left.
        on_sent: Called with the reason after each redispatch.
    """

    def __init__(
        self,
        livekit: Rooms,
        *,
        identity: Callable[[str], str],
        grace_s: float,
        on_sent: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._livekit = livekit
        self._identity = identity
        self._grace_s = grace_s
        self._on_sent = on_sent
        #: Time at which an unknown interviewer was first seen in the room of an orphaned interview,
        #: by the interview's id and token.
        self._unknown_since: dict[tuple[str, int], float] = {}
        #: Tasks that undo claims of cancelled dispatches.
        self._undoing: set[asyncio.Task[None]] = set()

    async def look(self, ledger: OrphanStore) -> int:
        """Check all interviews once; return the number of redispatches.

        Raises DatabaseError if the database fails. A failure of LiveKit is only logged, because a
        later check tries again.
        """
        if len(self._unknown_since) > _REMEMBERED:
            self._unknown_since.clear()
        # The next page is claimed while the dispatches of a page are sent. Otherwise the last of
        # many interviews would wait for all dispatches before it.
        sending: list[asyncio.Task[int]] = []
        try:
            for _ in range(_PAGES):
                found = await ledger.orphaned(job_id=None, room=None)
                claimed = await self._claim(ledger, found, leads=True)
                if claimed:
                    send = self._send_all(ledger, claimed)
                    sending.append(asyncio.create_task(send, name="redispatch"))
                if claimed is None or len(found) < AT_A_TIME:
                    break
        except asyncio.CancelledError:
            await cancel_and_wait(*sending)
            raise
        finally:
            sent = await asyncio.gather(*sending, return_exceptions=True)
        for result in sent:
            if isinstance(result, BaseException):
                raise result
        return sum(count for count in sent if isinstance(count, int))

    async def look_at(
        self, ledger: OrphanStore, *, job_id: str | None = None, room: str | None = None
    ) -> int:
        """Check the interview of one job or one room; return the number of redispatches.

        Any worker may run this check. The check ends no interview, because only the leader knows
        how long a candidate was absent.
        """
        found = await ledger.orphaned(job_id=job_id, room=room)
        claimed = await self._claim(ledger, found, leads=False)
        return await self._send_all(ledger, claimed) if claimed else 0

    async def _claim(
        self, ledger: OrphanStore, found: Sequence[OrphanedInterview], *, leads: bool
    ) -> list[_Claim] | None:
        """Claim the interviews in whose rooms a candidate waits for an interviewer.

        Return None if LiveKit cannot list the participants. Then LiveKit would not dispatch an
        agent either.
        """
        if not found:
            return []
        try:
            people = await self._livekit.people({each.interview.room for each in found})
        except LiveKitError as error:
            _warn(error)
            return None
        waiting = [each for each in found if self._waits(each, people)]
        tokens = await ledger.claim(waiting)
        claimed = [
            _Claim(
                found=each,
                token=tokens[each.interview.interview_id],
                leftover=self._leftover(each, people[each.interview.room]),
            )
            for each in waiting
            if each.interview.interview_id in tokens
        ]
        if leads:
            rest = [each for each in found if each.interview.interview_id not in tokens]
            await self._leave(ledger, rest, people)
        return claimed

    def _leftover(self, found: OrphanedInterview, here: Collection[str]) -> str | None:
        """Return the identity of the last interviewer if it is still in the room, else None."""
        last = self._identity(found.last_job) if found.last_job is not None else None
        return last if last in here else None

    def _waits(self, found: OrphanedInterview, people: Mapping[str, Collection[str]]) -> bool:
        """Return whether a candidate is in the room and waits for an interviewer."""
        interview = found.interview
        here = people.get(interview.room, ())
        if interview.candidate_identity not in here:
            return False
        if interview.reason == Reason.CANDIDATE_SILENT and found.why == CANDIDATE_CAME:
            # The candidate may have left the client open. So the candidate must leave it first.
            return found.was_absent
        return not self._is_held_by_unknown(found, here)

    def _is_held_by_unknown(self, found: OrphanedInterview, here: Collection[str]) -> bool:
        """Return whether an interviewer is in the room that the database does not know yet.

        Such a job began while the database was away. LiveKit lists a dead interviewer for about
        20 s, so the wait for an unknown interviewer is limited.
        """
        which = found.interview.interview_id, found.interview.token
        last = self._identity(found.last_job) if found.last_job is not None else None
        prefix = self._identity("")
        unknown = any(each.startswith(prefix) and each != last for each in here)
        if not unknown or found.why in (HANDED_OVER, NOT_SENT):
            self._unknown_since.pop(which, None)
            return False
        now = time.monotonic()
        return now - self._unknown_since.setdefault(which, now) < _UNKNOWN_S

    async def _leave(
        self,
        ledger: OrphanStore,
        found: Sequence[OrphanedInterview],
        people: Mapping[str, Collection[str]],
    ) -> None:
        """Store that these interviews got no interviewer, and leave those of absent candidates."""
        looks = [
            Look(
                found=each,
                absent=each.interview.room in people
                and each.interview.candidate_identity not in people[each.interview.room],
            )
            for each in found
        ]
        absent_s = await ledger.record(looks)
        left = [
            each
            for each in found
            if absent_s.get(each.interview.interview_id, 0.0) >= self._grace_s
            and each.last_job is not None
        ]
        if left:
            await ledger.give_up(left)

    async def _send_all(self, ledger: OrphanStore, claimed: Sequence[_Claim]) -> int:
        """Dispatch interviewers to claimed interviews; return the number of dispatches."""
        try:
            told = await _told(ledger, [each.interview_id for each in claimed])
            sent = await asyncio.gather(*(self._send(each, told) for each in claimed))
        except asyncio.CancelledError:
            self._undo_later(ledger, claimed)
            raise
        dispatches = {
            each.interview_id: (each.token, dispatch_id)
            for each, dispatch_id in zip(claimed, sent, strict=True)
            if dispatch_id is not None
        }
        for each in claimed:
            if each.interview_id not in dispatches:
                await ledger.give_back(each.found, each.token)
        await ledger.note(dispatches)
        return len(dispatches)

    async def _send(self, claim: _Claim, told: _Told) -> str | None:
        """Remove the last interviewer, and dispatch a new one; return the dispatch's id.

        Return None if LiveKit fails.
        """
        found, interview = claim.found, claim.found.interview
        if claim.leftover is not None:
            # LiveKit keeps a dead participant for about 20 s, and a stopped process may resume.
            try:
                await self._livekit.remove(interview.room, claim.leftover)
            except LiveKitError as error:
                logger.warning(
                    "removing a dead interviewer from the room failed: %s",
                    error,
                    extra={"event": "dead_interviewer_not_removed"},
                )
        try:
            dispatch_id = await self._livekit.send(
                found,
                turns=told.turns.get(interview.interview_id, []),
                spent_s=told.spent_s.get(interview.interview_id),
            )
        except LiveKitError as error:
            _warn(error)
            return None
        except Exception as error:
            _warn(type(error).__name__)
            return None
        self._on_sent(found.why)
        logger.warning(
            "an interviewer was redispatched",
            extra={
                "event": "interviewer_redispatched",
                "interview_id": interview.interview_id,
                "room": interview.room,
                "reason": found.why,
                "follows_job": found.last_job,
                "token": claim.token,
                "dispatch_id": dispatch_id,
            },
        )
        return dispatch_id

    def _undo_later(self, ledger: OrphanStore, claimed: Sequence[_Claim]) -> None:
        """Undo the claims in the background: a claim without a dispatch costs the candidate time.

        Undoing the claim of a dispatch that LiveKit has accepted is harmless: its job keeps the
        interview.
        """

        async def undo() -> None:
            async with asyncio.timeout(_GIVE_BACK_S):
                for each in claimed:
                    await ledger.give_back(each.found, each.token)

        task = asyncio.create_task(undo(), name="undo-claims")
        self._undoing.add(task)
        task.add_done_callback(self._undone)

    def _undone(self, task: asyncio.Task[None]) -> None:
        self._undoing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _warn(type(error).__name__)


def _warn(error: object) -> None:
    logger.warning(
        "redispatching an interviewer failed: %s", error, extra={"event": "redispatch_failed"}
    )


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What the dispatches tell the new interviewers, by interview id.

    A new interviewer reads what is missing from the database.
    """

    turns: Mapping[str, list[dict[str, Any]]]
    spent_s: Mapping[str, float]


async def _told(ledger: OrphanStore, interview_ids: Sequence[str]) -> _Told:
    try:
        turns, spent_s = await asyncio.gather(
            ledger.turns(interview_ids), ledger.spent_s(interview_ids)
        )
    except DatabaseError:
        return _Told(turns={}, spent_s={})
    return _Told(turns=turns, spent_s=spent_s)
