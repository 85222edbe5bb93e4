"""LiveKit calls of a redispatch: participants of rooms, and the dispatch of an interviewer."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from worker.continuity.dispatch_metadata import Seal, metadata_after
from worker.livekit_api.errors import LiveKitError
from worker.livekit_api.outbox import LiveKitOutbox, Priority
from worker.store.orphans import NOT_TAKEN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from worker.livekit_api.calls import LiveKitCalls
    from worker.store.interviews import Interview
    from worker.store.orphans import OrphanedInterview

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Maximum seconds that a call to LiveKit waits for its turn.
_TURN_S: Final = 5.0


class Rooms(Protocol):
    """LiveKit rooms. Every method raises LiveKitError if LiveKit fails."""

    async def counts(self, rooms: Collection[str]) -> Mapping[str, int]:
        """Return the number of participants, without agents, for each of `rooms` that exists.

        The numbers may be 10 s old.
        """
        ...

    async def people(self, rooms: Collection[str]) -> Mapping[str, Collection[str]]:
        """Return the identities of each room's participants.

        A participant whose process died is included for about 20 s. The result lacks a room if
        LiveKit failed for this room only.
        """
        ...

    async def remove(self, room: str, identity: str) -> None:
        """Remove a participant from the room, if present."""
        ...

    async def send(
        self, found: OrphanedInterview, *, turns: list[dict[str, Any]], spent_s: float | None
    ) -> str:
        """Dispatch an interviewer; return the id of the dispatch."""
        ...


class LiveKitRooms:
    """`Rooms` on a LiveKit server.

    Args:
        livekit: Calls to the server.
        agent_name: Agent name of the dispatches.
        seal: Returns the function that encrypts the dispatches of an interview.
        outbox: Limits the number and the rate of the calls.
    """

    def __init__(
        self,
        livekit: LiveKitCalls,
        *,
        agent_name: str,
        seal: Callable[[Interview], Seal],
        outbox: LiveKitOutbox | None = None,
    ) -> None:
        self._livekit = livekit
        self._agent_name = agent_name
        self._seal = seal
        self._outbox = outbox or LiveKitOutbox()

    async def counts(self, rooms: Collection[str]) -> Mapping[str, int]:
        """Call `rooms_with_participants`."""
        names = list(rooms)
        return await self._check(lambda: self._livekit.rooms_with_participants(names))

    async def people(self, rooms: Collection[str]) -> Mapping[str, Collection[str]]:
        """Call `list_participants` for each room."""
        people: dict[str, Collection[str]] = {}
        listed = await asyncio.gather(
            *(self._listed(room) for room in rooms), return_exceptions=True
        )
        failure: LiveKitError | None = None
        for room, here in zip(rooms, listed, strict=True):
            if isinstance(here, LiveKitError):
                failure = here
            elif isinstance(here, BaseException):
                raise here
            else:
                people[room] = here
        if failure is not None:
            if not people:
                raise failure
            logger.warning(
                "LiveKit failed for some rooms: %s",
                failure,
                extra={"event": "room_participants_not_listed"},
            )
        return people

    async def remove(self, room: str, identity: str) -> None:
        """Call `remove_participant`."""
        await self._urgently(lambda: self._livekit.remove_participant(room=room, identity=identity))

    async def send(
        self, found: OrphanedInterview, *, turns: list[dict[str, Any]], spent_s: float | None
    ) -> str:
        """Dispatch with encrypted metadata: plan, previous job, its turns, and the time used.

        A dispatch that no worker took is deleted first, because LiveKit would keep it, with its
        metadata, as long as the room exists.
        """
        interview = found.interview
        metadata = metadata_after(
            interview,
            job_id=found.last_job,
            why=found.lost_why,
            turns=turns,
            spent_s=spent_s,
            seal=self._seal(interview),
        )
        if found.why == NOT_TAKEN and (old := interview.dispatch_id) is not None:
            try:
                await self._urgently(lambda: self._livekit.delete_dispatch(interview.room, old))
            except LiveKitError as error:
                logger.warning(
                    "deleting a dispatch that no worker took failed: %s",
                    error,
                    extra={"event": "untaken_dispatch_not_deleted"},
                )
        return await self._urgently(
            lambda: self._livekit.dispatch(
                agent_name=self._agent_name, room=interview.room, metadata=metadata
            )
        )

    async def _listed(self, room: str) -> Collection[str]:
        return await self._check(lambda: self._livekit.list_participants(room))

    async def _check(self, call: Callable[[], Awaitable[T]]) -> T:
        return await self._outbox.run(call, priority=Priority.ABSENCE_CHECK, deadline_s=_TURN_S)

    async def _urgently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await self._outbox.run(call, priority=Priority.REDISPATCH, deadline_s=_TURN_S)
