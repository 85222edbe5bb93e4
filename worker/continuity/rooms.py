"""The LiveKit rooms of a redispatch."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from worker.continuity.dispatch_metadata import metadata_after
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from worker.config.settings import Settings
    from worker.store.orphans import OrphanedInterview

logger = logging.getLogger(__name__)

#: Maximum number of calls to LiveKit at the same time. Each call opens a connection.
_AT_ONCE: Final = 50


class Rooms(Protocol):
    """LiveKit rooms. Every method raises LiveKitError if LiveKit fails."""

    async def people(self, rooms: Collection[str]) -> Mapping[str, Collection[str]]:
        """Return the identities of each room's participants, including dead ones for about 20 s.

        A room is missing if LiveKit failed for this room only.
        """
        ...

    async def remove(self, room: str, identity: str) -> None:
        """Remove a participant from the room, if present."""
        ...

    async def send(self, found: OrphanedInterview, *, turns: list[dict[str, Any]]) -> str:
        """Dispatch an interviewer; return the id of the dispatch."""
        ...


class LiveKitRooms:
    """`Rooms` on the LiveKit server of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._client = LiveKitClient.of(settings)
        self._agent_name = settings.agent_name
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def people(self, rooms: Collection[str]) -> Mapping[str, Collection[str]]:
        """Call `LiveKitClient.list_participants` for each room."""

        async def of(room: str) -> Collection[str]:
            async with self._free:
                return await self._client.list_participants(room)

        found = await asyncio.gather(*map(of, rooms), return_exceptions=True)
        people: dict[str, Collection[str]] = {}
        failure: LiveKitError | None = None
        for room, here in zip(rooms, found, strict=True):
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
                "LiveKit failed for some rooms: %s", failure, extra={"event": "redispatch_failed"}
            )
        return people

    async def remove(self, room: str, identity: str) -> None:
        """Call `LiveKitClient.remove_participant`."""
        async with self._free:
            await self._client.remove_participant(room=room, identity=identity)

    async def send(self, found: OrphanedInterview, *, turns: list[dict[str, Any]]) -> str:
        """Dispatch with the plan's snapshot, the previous job and the turns as metadata."""
        async with self._free:
            return await self._client.dispatch(
                agent_name=self._agent_name,
                room=found.interview.room,
                metadata=metadata_after(
                    found.interview, job_id=found.last_job, why=found.why, turns=turns
                ),
            )
