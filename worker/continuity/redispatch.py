"""Redispatch: send a new interviewer to an orphaned interview."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, Protocol

from worker.continuity.dispatch_metadata import metadata_after
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitError
from worker.store.errors import DatabaseError
from worker.store.interviews import turns_of
from worker.store.orphans import (
    Limits,
    OrphanedInterview,
    claim_dispatch,
    end_without_candidate,
    find_orphaned,
    give_back_dispatch,
    note_dispatch,
)
from worker.store.talk_time import talk_seconds
from worker.store.turns import turn_as_data

if TYPE_CHECKING:
    from worker.config.settings import Settings
    from worker.store.database import Database

logger = logging.getLogger(__name__)


class OrphanStore(Protocol):
    """Database operations of a redispatch: find orphaned interviews, and claim them.

    Every method raises DatabaseError if the database fails.
    """

    async def stranded(self, *, job_id: str | None, room: str | None) -> list[OrphanedInterview]:
        """Return the interviews to redispatch now, limited to one job or one room if given."""
        ...

    async def claim(self, found: OrphanedInterview) -> int | None:
        """Claim a redispatch; return its fencing token, or None if another worker was faster."""
        ...

    async def turns(self, interview_id: str) -> list[dict[str, Any]]:
        """Return the interview's turns so far, for the metadata of the dispatch."""
        ...

    async def spent_s(self, interview_id: str) -> float:
        """Return the seconds that the jobs so far have used of the interview's time limit."""
        ...

    async def note(self, interview_id: str, token: int, dispatch_id: str) -> None:
        """Store the id that LiveKit gave to the dispatch that was sent for a fencing token."""
        ...

    async def give_back(self, found: OrphanedInterview, token: int) -> None:
        """Undo a claim after its dispatch failed, so that the next check can claim again."""
        ...

    async def give_up(self, found: OrphanedInterview) -> None:
        """End the interview without a redispatch, because the candidate has left."""
        ...


class Rooms(Protocol):
    """LiveKit rooms. Every method raises LiveKitError if LiveKit fails."""

    async def people(self, room: str) -> Collection[str]:
        """Return the identities of a room's participants, including dead ones for about 20 s."""
        ...

    async def remove(self, room: str, identity: str) -> None:
        """Remove a participant from the room, if present."""
        ...

    async def send(
        self, found: OrphanedInterview, *, turns: list[dict[str, Any]], spent_s: float | None
    ) -> str:
        """Dispatch an interviewer; return the id of the dispatch."""
        ...


def limits_of(settings: Settings) -> Limits:
    """Return the redispatch limits from the settings."""
    return Limits(
        lease_s=settings.lease_s,
        join_s=settings.join_deadline_s,
        delay_s=settings.redispatch_delay_s,
        tries=settings.redispatch_tries,
    )


class DatabaseOrphanStore:
    """`OrphanStore` in PostgreSQL."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def stranded(self, *, job_id: str | None, room: str | None) -> list[OrphanedInterview]:
        """Call `find_orphaned`."""
        return await find_orphaned(self._database, self._limits, job_id=job_id, room=room)

    async def claim(self, found: OrphanedInterview) -> int | None:
        """Call `claim_dispatch`."""
        return await claim_dispatch(self._database, found, self._limits)

    async def turns(self, interview_id: str) -> list[dict[str, Any]]:
        """Call `turns_of`; return the turns as JSON data."""
        return [turn_as_data(turn) for turn in await turns_of(self._database, interview_id)]

    async def spent_s(self, interview_id: str) -> float:
        """Call `talk_seconds`."""
        return await talk_seconds(self._database, interview_id)

    async def note(self, interview_id: str, token: int, dispatch_id: str) -> None:
        """Call `note_dispatch`."""
        await note_dispatch(self._database, interview_id, token=token, dispatch_id=dispatch_id)

    async def give_back(self, found: OrphanedInterview, token: int) -> None:
        """Call `give_back_dispatch`."""
        await give_back_dispatch(self._database, found, token=token)

    async def give_up(self, found: OrphanedInterview) -> None:
        """Call `end_without_candidate`."""
        await end_without_candidate(self._database, found, self._limits)


class LiveKitRooms:
    """`Rooms` on the LiveKit server of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._client = LiveKitClient.of(settings)
        self._agent_name = settings.agent_name

    async def people(self, room: str) -> Collection[str]:
        """Call `LiveKitClient.list_participants`."""
        return await self._client.list_participants(room)

    async def remove(self, room: str, identity: str) -> None:
        """Call `LiveKitClient.remove_participant`."""
        await self._client.remove_participant(room=room, identity=identity)

    async def send(
        self, found: OrphanedInterview, *, turns: list[dict[str, Any]], spent_s: float | None
    ) -> str:
        """Dispatch with the plan's snapshot, the previous job, its turns and time as metadata."""
        return await self._client.dispatch(
            agent_name=self._agent_name,
            room=found.interview.room,
            metadata=metadata_after(
                found.interview,
                job_id=found.last_job,
                why=found.why,
                turns=turns,
                spent_s=spent_s,
            ),
        )


class Redispatcher:
    """Redispatches orphaned interviews whose candidates are in the room.

    Args:
        livekit: Access to the LiveKit rooms.
        identity: Returns the identity of a job's agent.
        grace_s: Seconds that a candidate may be absent before the interview ends.
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
        #: For each orphaned interview without a candidate, by interview id and token: the monotonic
        #: time of the check that first found the candidate absent.
        self._absent: dict[tuple[str, int], float] = {}

    async def look(self, ledger: OrphanStore, *, anew: bool = False) -> int:
        """Check all interviews once; return the number of redispatches.

        `anew` is True for the first check of a new leader, in which the absence of every candidate
        begins to count. Raises DatabaseError if orphaned interviews cannot be listed. A failure
        for one interview is only logged, because a later check tries again.
        """
        found = await ledger.stranded(job_id=None, room=None)
        known = set() if anew else {_absence(each) for each in found}
        self._absent = {who: since for who, since in self._absent.items() if who in known}
        looks = (self._bring_back(ledger, each, if_absent=self._give_up_in_time) for each in found)
        return sum(await asyncio.gather(*looks))

    async def look_at(
        self, ledger: OrphanStore, *, job_id: str | None = None, room: str | None = None
    ) -> int:
        """Check the interview of one job or one room; return the number of redispatches.

        Any worker may run this check. The check ends no interview, because only the leader knows
        how long a candidate was absent.
        """
        found = await ledger.stranded(job_id=job_id, room=room)
        return sum(await asyncio.gather(*(self._bring_back(ledger, each) for each in found)))

    async def _bring_back(
        self,
        ledger: OrphanStore,
        found: OrphanedInterview,
        *,
        if_absent: Callable[[OrphanStore, OrphanedInterview], Awaitable[None]] | None = None,
    ) -> bool:
        interview = found.interview
        try:
            if interview.candidate_identity not in await self._livekit.people(interview.room):
                if if_absent is not None:
                    await if_absent(ledger, found)
                return False
            self._absent.pop(_absence(found), None)
            return await self._claim_and_send(ledger, found)
        except LiveKitError as error:
            # If LiveKit cannot list the participants, it would not dispatch an agent either.
            logger.warning(
                "redispatching an interviewer failed: %s",
                error,
                extra={"event": "redispatch_failed"},
            )
        except Exception as error:
            logger.warning(
                "redispatching an interviewer failed: %s",
                type(error).__name__,
                extra={"event": "redispatch_failed"},
            )
        return False

    async def _give_up_in_time(self, ledger: OrphanStore, found: OrphanedInterview) -> None:
        now = time.monotonic()
        away_s = now - self._absent.setdefault(_absence(found), now)
        if away_s >= self._grace_s and found.last_job is not None:
            await ledger.give_up(found)

    async def _claim_and_send(self, ledger: OrphanStore, found: OrphanedInterview) -> bool:
        token = await ledger.claim(found)
        if token is None:
            return False
        interview_id = found.interview.interview_id
        try:
            turns, spent_s = await asyncio.gather(_turns(ledger, found), _spent_s(ledger, found))
            dispatch_id = await self._send(found, token, turns, spent_s)
        except LiveKitError:
            await ledger.give_back(found, token)
            raise
        await ledger.note(interview_id, token, dispatch_id)
        return True

    async def _send(
        self,
        found: OrphanedInterview,
        token: int,
        turns: list[dict[str, Any]],
        spent_s: float | None,
    ) -> str:
        interview = found.interview
        if found.last_job is not None:
            # LiveKit keeps a dead participant for about 20 s, and a stopped process may resume.
            try:
                await self._livekit.remove(interview.room, self._identity(found.last_job))
            except LiveKitError as error:
                logger.warning(
                    "removing a dead interviewer from the room failed: %s",
                    error,
                    extra={"event": "dead_interviewer_not_removed"},
                )
        dispatch_id = await self._livekit.send(found, turns=turns, spent_s=spent_s)
        self._on_sent(found.why)
        logger.warning(
            "an interviewer was redispatched",
            extra={
                "event": "interviewer_redispatched",
                "interview_id": interview.interview_id,
                "room": interview.room,
                "reason": found.why,
                "follows_job": found.last_job,
                "token": token,
                "dispatch_id": dispatch_id,
            },
        )
        return dispatch_id


def _absence(found: OrphanedInterview) -> tuple[str, int]:
    """Return the key of an interview in `Redispatcher._absent`: the interview's id and token.

    A redispatch, by any worker, raises the token, and happens only if the candidate is present, so
    an absence from before the redispatch must not count.
    """
    return found.interview.interview_id, found.interview.token


async def _turns(ledger: OrphanStore, found: OrphanedInterview) -> list[dict[str, Any]]:
    try:
        return await ledger.turns(found.interview.interview_id)
    except DatabaseError:
        return []  # the new interviewer reads the turns from the database


async def _spent_s(ledger: OrphanStore, found: OrphanedInterview) -> float | None:
    try:
        return await ledger.spent_s(found.interview.interview_id)
    except DatabaseError:
        return None  # the new interviewer reads the time from the database
