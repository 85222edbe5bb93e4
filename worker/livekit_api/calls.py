"""The calls of LiveKit's server API, without the connection on which they are made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from livekit import api

from worker.livekit_api.errors import RoomToolError
from worker.livekit_api.one_call import LiveKitCall
from worker.livekit_api.room_options import RoomOptions

#: Timeout in seconds of a call about the dispatches of a room. If the room does not exist,
#: livekit-server 1.13.5 takes up to 15 s to search its nodes for the room.
DISPATCHES_TIMEOUT_S: Final = 3.0
#: Maximum number of rooms in one request. LiveKit's names have at most 256 bytes (its default
#: `max_room_name_length`), so a request has at most 128 kB.
MOST_NAMES: Final = 500


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """A dispatch that LiveKit has for a room."""

    dispatch_id: str
    agent_name: str
    #: Unix time in seconds at which LiveKit accepted the dispatch, by the server's clock.
    created_at: float


@dataclass(frozen=True, repr=False)
class LiveKitCalls(LiveKitCall):
    """The calls of one LiveKit server's API. A subclass provides the connection.

    Every method that calls the server raises LiveKitError if the call fails; each subclass of
    LiveKitError stands for one cause. If the server closes the connection before it answers, a call
    that may safely be repeated is repeated once, immediately.
    """

    # --- rooms and participants -------------------------------------------------------------------

    async def create_room(
        self,
        name: str,
        *,
        empty_timeout_s: int = 300,
        departure_timeout_s: int = 120,
        metadata: str = "",
        most_people: int = 0,
    ) -> str:
        """Create a room, or keep the existing room of that name; return its session id ("RM_…").

        LiveKit does not change the options of an open room. An open room that would close earlier,
        or admits more participants, than this call asks for is therefore deleted and created again,
        unless a participant is in the room.

        Args:
            empty_timeout_s: Seconds that the room waits for its first participant.
            departure_timeout_s: Seconds that the room waits for a candidate who left. An
                interviewer does not keep a room open. By default LiveKit would close the room after
                20 s, even with the interviewer in the room.
            metadata: Text that every participant can read, so it must contain nothing personal.
            most_people: Maximum number of participants, without agents and recorders; 0: no limit.
        """
        request = api.CreateRoomRequest(
            name=name,
            empty_timeout=empty_timeout_s,
            departure_timeout=departure_timeout_s,
            metadata=metadata,
            max_participants=most_people,
        )
        options = RoomOptions(
            empty_timeout_s=empty_timeout_s,
            departure_timeout_s=departure_timeout_s,
            most_people=most_people,
        )
        room = await self._opened(request)
        if not (options.are_met_by(room, now_s=time.time()) or await self.list_participants(name)):
            request.metadata = metadata or room.metadata
            await self.delete_room(name)
            room = await self._opened(request)
        return room.sid

    async def _opened(self, request: api.CreateRoomRequest) -> api.Room:
        return await self._call("create_room", lambda server: server.room.create_room(request))

    async def delete_room(self, name: str) -> bool:
        """Close a room and remove all participants; return False if the room does not exist."""
        request = api.DeleteRoomRequest(room=name)
        return await self._found("delete_room", lambda server: server.room.delete_room(request))

    async def rooms_with_participants(self, names: Iterable[str]) -> dict[str, int]:
        """Return the number of participants of each existing room whose name is in `names`.

        One request asks for up to `MOST_NAMES` rooms. If `names` is empty, no request is made.

        The number does not include agents and recorders. A participant whose process died is
        counted for about 20 s. The server counts a room's participants again at most every 5 s, so
        the number may be up to 10 s old (livekit-server 1.13.5: `roomUpdateInterval`).
        `list_participants` is always up to date.
        """
        # Make no request without names, because the server would list all of its rooms.
        asked = list(dict.fromkeys(names))
        counts: dict[str, int] = {}
        for start in range(0, len(asked), MOST_NAMES):
            counts |= await self._counts(asked[start : start + MOST_NAMES])
        return counts

    async def _counts(self, names: Sequence[str]) -> dict[str, int]:
        request = api.ListRoomsRequest(names=names)
        answer = await self._call("list_rooms", lambda server: server.room.list_rooms(request))
        return {room.name: room.num_participants for room in answer.rooms}

    async def list_participants(self, room: str) -> list[str]:
        """Return the sorted identities of all participants; empty if the room does not exist.

        A participant whose process died stays listed for about 20 s.
        """
        request = api.ListParticipantsRequest(room=room)
        try:
            answer = await self._call(
                "list_participants", lambda server: server.room.list_participants(request)
            )
        except RoomToolError as error:
            if error.code != api.ServerErrorCode.NOT_FOUND:
                raise
            return []
        return sorted(participant.identity for participant in answer.participants)

    async def remove_participant(self, *, room: str, identity: str) -> bool:
        """Remove one participant from a room; return False if no such participant was there."""
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        return await self._found(
            "remove_participant", lambda server: server.room.remove_participant(request)
        )

    # --- dispatches -------------------------------------------------------------------------------

    async def dispatch(self, *, agent_name: str, room: str, metadata: str = "") -> str:
        """Dispatch an interviewer to an existing or a new room; return the dispatch's id.

        The server accepts a dispatch even if no worker will take it. Success therefore does not
        prove that an interviewer will join. The server offers a dispatch to workers once, and keeps
        the dispatch with its metadata until the dispatch is deleted or the room closes.

        The call is not repeated if the connection breaks, because the server may have accepted the
        dispatch, and a second dispatch would send a second interviewer.

        Args:
            agent_name: The agent name under which the workers are registered.
            metadata: Text for the job, which only holders of the API secret can write or read.
        """
        request = api.CreateAgentDispatchRequest(
            agent_name=agent_name, room=room, metadata=metadata
        )
        accepted = await self._call(
            "dispatch",
            lambda server: server.agent_dispatch.create_dispatch(request),
            repeatable=False,
        )
        return accepted.id

    async def list_dispatches(
        self, room: str, *, timeout_s: float = DISPATCHES_TIMEOUT_S
    ) -> list[Dispatch]:
        """Return the dispatches to named agents that LiveKit has for a room, oldest first.

        The answer of the server contains the metadata of all dispatches, up to 512 kB each. If the
        room does not exist, the server does not answer in time, and LiveKitUnreachable is raised
        after `timeout_s` seconds.
        """
        try:
            found = await self._call(
                "list_dispatches",
                lambda server: server.agent_dispatch.list_dispatch(room),
                timeout_s=timeout_s,
            )
        except RoomToolError as error:
            if error.code != api.ServerErrorCode.NOT_FOUND:
                raise
            return []
        listed = [
            Dispatch(
                dispatch_id=each.id,
                agent_name=each.agent_name,
                created_at=each.state.created_at / 1e9,
            )
            for each in found
            # LiveKit adds a dispatch to agents without a name to every room.
            if each.agent_name and not each.state.deleted_at
        ]
        return sorted(listed, key=lambda each: each.created_at)

    async def delete_dispatch(
        self, room: str, dispatch_id: str, *, timeout_s: float = DISPATCHES_TIMEOUT_S
    ) -> bool:
        """Delete a dispatch with its metadata; return False if the room has no such dispatch.

        **If a job runs for this dispatch, the server terminates it** and removes its participant
        about 3 s later. Therefore delete a dispatch only if its job is dead or is to end.

        If the room does not exist, the server does not answer in time, and LiveKitUnreachable is
        raised after `timeout_s` seconds.
        """
        return await self._found(
            "delete_dispatch",
            lambda server: server.agent_dispatch.delete_dispatch(dispatch_id, room),
            timeout_s=timeout_s,
        )
