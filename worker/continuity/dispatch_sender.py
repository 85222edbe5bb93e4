"""Dispatch interviewers to claimed interviews, and undo claims that lead to no dispatch."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from worker.livekit_api.errors import LiveKitError
from worker.store.errors import DatabaseError
from worker.store.orphans import Look

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from worker.continuity.candidate_check import CandidateCheck
    from worker.continuity.orphan_store import OrphanStore
    from worker.continuity.rooms import Rooms
    from worker.store.orphans import OrphanedInterview

logger = logging.getLogger(__name__)

#: Maximum seconds to undo claims whose dispatches were cancelled.
_GIVE_BACK_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An interview that this worker has claimed, and that gets a new interviewer."""

    found: OrphanedInterview
    #: Fencing token of the new dispatch.
    token: int
    #: Identities of the room's participants, among them a candidate who waits; None if the
    #: participants were not listed before the claim.
    here: Collection[str] | None

    @property
    def interview_id(self) -> str:
        """Id of the interview."""
        return self.found.interview.interview_id

    @property
    def room(self) -> str:
        """Name of the interview's room."""
        return self.found.interview.room


class DispatchSender:
    """Dispatches interviewers to claimed interviews whose candidates are in the room.

    Args:
        livekit: Access to the LiveKit rooms.
        check: Tells whether a candidate waits for an interviewer.
        on_sent: Called after each dispatch, with the reason for the dispatch.
    """

    def __init__(
        self, livekit: Rooms, check: CandidateCheck, *, on_sent: Callable[[str], None]
    ) -> None:
        self._livekit = livekit
        self._check = check
        self._on_sent = on_sent
        #: Tasks that undo claims of cancelled dispatches.
        self._undoing: set[asyncio.Task[None]] = set()

    async def send_all(self, ledger: OrphanStore, claims: Sequence[Claim]) -> int:
        """Dispatch interviewers to claimed interviews; return the number of dispatches.

        If the participants of a room were not listed before the claim, they are listed before the
        dispatch. The claim is given back if no candidate waits in the room, if LiveKit cannot list
        the participants, or if the dispatch fails. Raises DatabaseError if the database fails.
        """
        try:
            people, told = await asyncio.gather(
                self._people(claims), _told(ledger, [each.interview_id for each in claims])
            )
            waiting = [each for each in claims if self._waits(each, people)]
            sent = await asyncio.gather(
                *(self._send(each, people[each.room], told) for each in waiting)
            )
        except BaseException:
            self._undo_later(ledger, claims)
            raise
        dispatches = {
            each.interview_id: (each.token, dispatch_id)
            for each, dispatch_id in zip(waiting, sent, strict=True)
            if dispatch_id is not None
        }
        await ledger.note(dispatches)
        if unsent := [each for each in claims if each.interview_id not in dispatches]:
            await ledger.give_back([(each.found, each.token) for each in unsent])
        tried = {each.interview_id for each in waiting}
        if looks := [_look(each, people) for each in unsent if each.interview_id not in tried]:
            await ledger.record(looks)
        return len(dispatches)

    async def _people(self, claims: Sequence[Claim]) -> Mapping[str, Collection[str]]:
        """Return the participants of each room, except of rooms for which LiveKit fails."""
        people: dict[str, Collection[str]] = {
            each.room: each.here for each in claims if each.here is not None
        }
        unlisted = {each.room for each in claims} - people.keys()
        if unlisted:
            try:
                people |= await self._livekit.people(unlisted)
            except LiveKitError as error:
                warn(error)
        return people

    def _waits(self, claim: Claim, people: Mapping[str, Collection[str]]) -> bool:
        if claim.here is not None:
            return True  # the participants were checked before the claim
        here = people.get(claim.room, ())
        return self._check.waits(claim.found, here, token=claim.token)

    async def _send(self, claim: Claim, here: Collection[str], told: _Told) -> str | None:
        """Remove the last interviewer, and dispatch a new one; return the dispatch's id.

        Return None if LiveKit fails.
        """
        found, interview = claim.found, claim.found.interview
        await self._remove_leftover(claim, here)
        try:
            dispatch_id = await self._livekit.send(
                found,
                turns=told.turns.get(interview.interview_id, []),
                spent_s=told.spent_s.get(interview.interview_id),
            )
        except LiveKitError as error:
            warn(error)
            return None
        except Exception as error:
            warn(type(error).__name__)
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

    async def _remove_leftover(self, claim: Claim, here: Collection[str]) -> None:
        """Remove the previous job's interviewer from the room, if LiveKit still lists it there."""
        leftover = self._check.leftover(claim.found, here)
        if leftover is None:
            return
        # LiveKit keeps a dead participant for about 20 s, and a stopped process may resume.
        try:
            await self._livekit.remove(claim.room, leftover)
        except LiveKitError as error:
            logger.warning(
                "removing a dead interviewer from the room failed: %s",
                error,
                extra={"event": "dead_interviewer_not_removed"},
            )

    def _undo_later(self, ledger: OrphanStore, claims: Sequence[Claim]) -> None:
        """Undo the claims in the background, so that other checks can claim the interviews again.

        Undoing a claim is harmless if LiveKit has accepted the dispatch: the dispatched job keeps
        the interview.
        """

        async def undo() -> None:
            async with asyncio.timeout(_GIVE_BACK_S):
                await ledger.give_back([(each.found, each.token) for each in claims])

        task = asyncio.create_task(undo(), name="undo-claims")
        self._undoing.add(task)
        task.add_done_callback(self._undone)

    def _undone(self, task: asyncio.Task[None]) -> None:
        self._undoing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            warn(type(error).__name__)


def warn(error: object) -> None:
    """Log that interviewers could not be redispatched; a later check tries again."""
    logger.warning(
        "redispatching an interviewer failed: %s", error, extra={"event": "redispatch_failed"}
    )


def _look(claim: Claim, people: Mapping[str, Collection[str]]) -> Look:
    """Return the check result to store for a claim that is given back."""
    here = people.get(claim.room)
    absent = here is not None and claim.found.interview.candidate_identity not in here
    return Look(found=claim.found, absent=absent, claimed=claim.token)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """Data for dispatches, by interview id: the turns, and the used seconds of the time limit.

    A new interviewer reads missing turns and times from the database.
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
