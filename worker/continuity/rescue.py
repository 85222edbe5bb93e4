"""Somebody comes back: one interview without an interviewer gets another one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, Protocol

from worker import rooms
from worker.dispatch_metadata import metadata_after
from worker.livekit_api import LiveKitError
from worker.store.errors import DatabaseError
from worker.store.interviews import turns_of
from worker.store.stranded import (
    Limits,
    Stranded,
    claim_dispatch,
    end_without_candidate,
    find_stranded,
    give_back_dispatch,
    note_dispatch,
)
from worker.store.turns import turn_as_data

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.pool import Database

logger = logging.getLogger(__name__)


class Ledger(Protocol):
    """Who is without an interviewer, and whose it is to send one. May raise DatabaseError."""

    async def stranded(self, *, job_id: str | None, room: str | None) -> list[Stranded]:
        """Interviews that may be sent one now, of one job or room if given."""
        ...

    async def claim(self, found: Stranded) -> int | None:
        """The token that an interviewer is sent for; None where somebody was quicker."""
        ...

    async def turns(self, interview_id: str) -> list[dict[str, Any]]:
        """What was said so far, for the one who is sent to take along."""
        ...

    async def note(self, interview_id: str, token: int, dispatch_id: str) -> None:
        """An interviewer was sent."""
        ...

    async def give_back(self, found: Stranded, token: int) -> None:
        """Nobody could be sent: whoever looks next may claim at once."""
        ...

    async def give_up(self, found: Stranded) -> None:
        """Nobody is to be sent any more: the candidate has gone."""
        ...


class Rooms(Protocol):
    """The rooms. Every method may raise LiveKitError."""

    async def people(self, room: str) -> Collection[str]:
        """The identities in a room, of the dead as well for a while."""
        ...

    async def remove(self, room: str, identity: str) -> None:
        """Send somebody out, if they are there."""
        ...

    async def send(self, found: Stranded, *, turns: list[dict[str, Any]]) -> str:
        """Send an interviewer; returns the dispatch's id."""
        ...


def limits_of(settings: Settings) -> Limits:
    """When another interviewer may be sent, as the settings have it."""
    return Limits(
        lease_s=settings.lease_s,
        join_s=settings.join_deadline_s,
        delay_s=settings.redispatch_delay_s,
        tries=settings.redispatch_tries,
    )


class DatabaseLedger:
    """The ledger in PostgreSQL."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def stranded(self, *, job_id: str | None, room: str | None) -> list[Stranded]:
        """As `find_stranded`."""
        return await find_stranded(self._database, self._limits, job_id=job_id, room=room)

    async def claim(self, found: Stranded) -> int | None:
        """As `claim_dispatch`."""
        return await claim_dispatch(self._database, found, self._limits)

    async def turns(self, interview_id: str) -> list[dict[str, Any]]:
        """As `turns_of`."""
        return [turn_as_data(turn) for turn in await turns_of(self._database, interview_id)]

    async def note(self, interview_id: str, token: int, dispatch_id: str) -> None:
        """As `note_dispatch`."""
        await note_dispatch(self._database, interview_id, token=token, dispatch_id=dispatch_id)

    async def give_back(self, found: Stranded, token: int) -> None:
        """As `give_back_dispatch`."""
        await give_back_dispatch(self._database, found, token=token)

    async def give_up(self, found: Stranded) -> None:
        """As `end_without_candidate`."""
        await end_without_candidate(self._database, found, self._limits)


class LiveKitRooms:
    """The rooms of the settings' LiveKit server."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.livekit_api_secret.get_secret_value()
        self._access = settings.livekit_url, settings.livekit_api_key, secret
        self._agent_name = settings.agent_name

    async def people(self, room: str) -> Collection[str]:
        """As `rooms.list_participants`."""
        return await rooms.list_participants(*self._access, room)

    async def remove(self, room: str, identity: str) -> None:
        """As `rooms.remove_participant`."""
        await rooms.remove_participant(*self._access, room=room, identity=identity)

    async def send(self, found: Stranded, *, turns: list[dict[str, Any]]) -> str:
        """As `rooms.dispatch`, with the plan's snapshot and what the newcomer follows upon."""
        return await rooms.dispatch(
            *self._access,
            agent_name=self._agent_name,
            room=found.interview.room,
            metadata=metadata_after(
                found.interview, job_id=found.last_job, why=found.why, turns=turns
            ),
        )


class Rescue:
    """Sends interviewers to candidates who sit alone.

    Args:
        livekit: The rooms.
        grace_s: Seconds that a candidate who left may be away before the interview is over.
        on_sent: Is told why, each time somebody was sent.
    """

    def __init__(
        self, livekit: Rooms, *, grace_s: float, on_sent: Callable[[str], None] = lambda why: None
    ) -> None:
        self._livekit = livekit
        self._grace_s = grace_s
        self._on_sent = on_sent
        #: Interviews without their candidates and without an interviewer since the token before,
        #: and since when, by this process's clock.
        self._absent: dict[tuple[str, int], float] = {}

    async def look(self, ledger: Ledger, *, anew: bool = False) -> int:
        """Look once at all interviews; returns how many interviewers were sent.

        `anew` says that somebody else looked before: whoever is away is so from now on. Raises
        DatabaseError where nobody can be found. What fails for one interview is logged, and is
        tried again at a later look.
        """
        found = await ledger.stranded(job_id=None, room=None)
        known = set() if anew else {_absence(each) for each in found}
        self._absent = {who: since for who, since in self._absent.items() if who in known}
        looks = (self._bring_back(ledger, each, if_absent=self._give_up_in_time) for each in found)
        return sum(await asyncio.gather(*looks))

    async def look_at(
        self, ledger: Ledger, *, job_id: str | None = None, room: str | None = None
    ) -> int:
        """As `look`, at one job's interview or at one room's, whoever it is that watches.

        Whoever looks by chance does not know how long a candidate was away, and ends nothing.
        """
        found = await ledger.stranded(job_id=job_id, room=room)
        return sum(await asyncio.gather(*(self._bring_back(ledger, each) for each in found)))

    async def _bring_back(
        self,
        ledger: Ledger,
        found: Stranded,
        *,
        if_absent: Callable[[Ledger, Stranded], Awaitable[None]] | None = None,
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
            # Where LiveKit does not say who is there it would not send anybody either.
            logger.warning("no interviewer could be sent: %s", error)
        except Exception as error:
            logger.warning("no interviewer could be sent: %s", type(error).__name__)
        return False

    async def _give_up_in_time(self, ledger: Ledger, found: Stranded) -> None:
        now = time.monotonic()
        away_s = now - self._absent.setdefault(_absence(found), now)
        if away_s >= self._grace_s and found.last_job is not None:
            await ledger.give_up(found)

    async def _claim_and_send(self, ledger: Ledger, found: Stranded) -> bool:
        token = await ledger.claim(found)
        if token is None:
            return False
        interview_id = found.interview.interview_id
        try:
            dispatch_id = await self._send(found, token, await _turns(ledger, found))
        except LiveKitError:
            await ledger.give_back(found, token)
            raise
        await ledger.note(interview_id, token, dispatch_id)
        return True

    async def _send(self, found: Stranded, token: int, turns: list[dict[str, Any]]) -> str:
        interview = found.interview
        if found.last_job is not None:
            # It would stay for about 20 s, and might wake up.
            ghost = f"{rooms.INTERVIEWER_PREFIX}{found.last_job}"
            try:
                await self._livekit.remove(interview.room, ghost)
            except LiveKitError as error:
                logger.warning("a dead interviewer stays in the room: %s", error)
        dispatch_id = await self._livekit.send(found, turns=turns)
        self._on_sent(found.why)
        logger.warning(
            "an interviewer was sent again",
            extra={
                "interview_id": interview.interview_id,
                "room": interview.room,
                "reason": found.why,
                "follows_job": found.last_job,
                "token": token,
                "dispatch_id": dispatch_id,
            },
        )
        return dispatch_id


def _absence(found: Stranded) -> tuple[str, int]:
    """Somebody who is sent meanwhile, by whomever, has found the candidate there."""
    return found.interview.interview_id, found.interview.token


async def _turns(ledger: Ledger, found: Stranded) -> list[dict[str, Any]]:
    try:
        return await ledger.turns(found.interview.interview_id)
    except DatabaseError:
        return []  # whoever is sent reads them itself
