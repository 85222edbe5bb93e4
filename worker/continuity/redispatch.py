"""Redispatch: send new interviewers to orphaned interviews whose candidates are in the room."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from worker.aio.tasks import cancel_and_wait
from worker.continuity.candidate_check import CandidateCheck
from worker.continuity.dispatch_sender import Claim, DispatchSender, warn
from worker.livekit_api.errors import LiveKitError
from worker.store.orphans import AT_A_TIME, LEASE_EXPIRED, Look

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from worker.continuity.orphan_store import OrphanStore
    from worker.continuity.rooms import Rooms
    from worker.store.orphans import OrphanedInterview

#: Maximum number of pages of orphaned interviews in one check. With more pages, a check could take
#: longer than the worker holds the leader lock.
_PAGES: Final = 10
#: Maximum number of claimed pages whose dispatches are not all sent. A page takes up to three calls
#: to LiveKit for each of its 200 interviews, that is 1.5 s at the rate of the outbox. Therefore
#: each dispatch is sent before another worker treats its claim as lost (after 6 s,
#: `store.orphans`).
_AHEAD: Final = 3
#: Maximum number of rooms whose participants are listed at once. For more rooms, one request first
#: asks how many participants each room has.
_FEW: Final = 3


class Redispatcher:
    """Redispatches orphaned interviews whose candidates are in the room.

    Args:
        livekit: Access to the LiveKit rooms.
        identity: Returns the identity of a job's agent.
        grace_s: Seconds that a candidate may be absent. After this time, the interview gets no new
            interviewer.
        on_sent: Called after each redispatch, with the reason for the redispatch.
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
        self._grace_s = grace_s
        self._check = CandidateCheck(identity)
        self._sender = DispatchSender(livekit, self._check, on_sent=on_sent)

    async def look(self, ledger: OrphanStore) -> int:
        """Check all interviews once; return the number of redispatches.

        Raises DatabaseError if the database fails. A failure of LiveKit is only logged, because a
        later check tries again.
        """
        # Claim the next page while the dispatches of the previous page are sent. Otherwise the last
        # of many interviews would wait for all dispatches before it.
        sending: list[asyncio.Task[int]] = []
        try:
            for _ in range(_PAGES):
                await _until_fewer(sending, _AHEAD)
                found = await ledger.orphaned(job_id=None, room=None)
                answers = await self._look_at_page(ledger, found, sending)
                if not answers or len(found) < AT_A_TIME:
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
        if not found:
            return 0
        try:
            people = await self._livekit.people(_rooms_of(found))
        except LiveKitError as error:
            warn(error)
            return 0
        claimed = await self._claim_waiting(ledger, found, people)
        return await self._sender.send_all(ledger, claimed) if claimed else 0

    async def _look_at_page(
        self,
        ledger: OrphanStore,
        found: Sequence[OrphanedInterview],
        sending: list[asyncio.Task[int]],
    ) -> bool:
        """Claim the interviews of a page, and begin to send their interviewers.

        Return False if LiveKit cannot list the participants, because LiveKit would then not
        dispatch an agent either.
        """
        if not found:
            return True

        def begin(claims: Sequence[Claim]) -> None:
            if claims:
                send = self._sender.send_all(ledger, claims)
                sending.append(asyncio.create_task(send, name="redispatch"))

        rooms = _rooms_of(found)
        try:
            counts = await self._livekit.counts(rooms) if len(rooms) > _FEW else None
        except LiveKitError as error:
            warn(error)
            return False
        likely = [each for each in found if _is_likely(each, counts)]
        claims = await self._claim(ledger, likely, {})
        begin(claims)
        others = [each for each in found if not _is_likely(each, counts)]
        people = await self._people(others, counts, all_rooms=rooms)
        if people is None:
            return False
        checked = await self._claim_waiting(ledger, others, people)
        begin(checked)
        claimed = {each.interview_id for each in (*claims, *checked)}
        left = [each for each in found if each.interview.interview_id not in claimed]
        await self._leave(ledger, left, people)
        return True

    async def _people(
        self,
        found: Sequence[OrphanedInterview],
        counts: Mapping[str, int] | None,
        *,
        all_rooms: Collection[str],
    ) -> Mapping[str, Collection[str]] | None:
        """Return the participants of the rooms of `found`; a room that does not exist has none.

        The result lacks a room for which LiveKit fails. Return None if LiveKit fails for every room
        of `all_rooms`.
        """
        rooms = _rooms_of(found)
        exist = rooms if counts is None else rooms & counts.keys()
        people: dict[str, Collection[str]] = dict.fromkeys(rooms - exist, ())
        if exist:
            try:
                people |= await self._livekit.people(exist)
            except LiveKitError as error:
                warn(error)
                if exist == all_rooms:
                    return None
        return people

    async def _claim_waiting(
        self,
        ledger: OrphanStore,
        found: Sequence[OrphanedInterview],
        people: Mapping[str, Collection[str]],
    ) -> list[Claim]:
        """Claim the interviews in whose rooms a candidate waits for an interviewer."""
        waiting = [
            each for each in found if self._check.waits(each, people.get(each.interview.room, ()))
        ]
        return await self._claim(ledger, waiting, people)

    async def _claim(
        self,
        ledger: OrphanStore,
        found: Sequence[OrphanedInterview],
        people: Mapping[str, Collection[str]],
    ) -> list[Claim]:
        """Claim interviews; return the claims that succeeded."""
        tokens = await ledger.claim(found) if found else {}
        return [
            Claim(
                found=each,
                token=tokens[each.interview.interview_id],
                here=people.get(each.interview.room),
            )
            for each in found
            if each.interview.interview_id in tokens
        ]

    async def _leave(
        self,
        ledger: OrphanStore,
        found: Sequence[OrphanedInterview],
        people: Mapping[str, Collection[str]],
    ) -> None:
        """Store that interviews got no interviewer; give up interviews without a candidate."""
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


def _rooms_of(found: Sequence[OrphanedInterview]) -> set[str]:
    return {each.interview.room for each in found}


def _is_likely(found: OrphanedInterview, counts: Mapping[str, int] | None) -> bool:
    """Return whether an interview is claimed before the participants of its room are listed.

    An early claim does not wait for a request to LiveKit for each room, which would take too long
    if many leases end at once. If the room's number of participants, which may be 10 s old, is
    above 0, the candidate is probably in the room. If the candidate turns out to be absent, the
    claim is given back. A claim cannot reopen an interview that has ended, because an ended
    interview has no lease that expires. An interview is claimed early only once after each expired
    lease, because the claim changes the reason for the interview's redispatch to
    `store.orphans.NOT_SENT`.
    """
    return (
        counts is not None
        and found.why == LEASE_EXPIRED
        and counts.get(found.interview.room, 0) > 0
    )


async def _until_fewer(tasks: Sequence[asyncio.Task[int]], number: int) -> None:
    """Wait until fewer than `number` of the tasks run."""
    while len(running := [task for task in tasks if not task.done()]) >= number:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
