"""Room tools: functions for the rooms, dispatches, participants and tokens of a LiveKit server.

Every tool that calls the server takes the server's URL (ws, wss, http or https) and an API key with
its secret. If the call fails, the tool raises one of the errors of `worker.livekit_api.client`,
which this module exports as well.
"""

from __future__ import annotations

import datetime

from livekit import api

from worker.livekit_api.client import (
    LiveKitError,
    LiveKitKeyRefused,
    LiveKitUnreachable,
    LiveKitUrlInvalid,
    RoomToolError,
    calling,
    check_livekit,
    check_url,
)

__all__ = [
    "INTERVIEWER_PREFIX",
    "LiveKitError",
    "LiveKitKeyRefused",
    "LiveKitUnreachable",
    "LiveKitUrlInvalid",
    "RoomToolError",
    "candidate_token",
    "check_livekit",
    "check_url",
    "create_room",
    "delete_room",
    "dispatch",
    "list_participants",
    "remove_participant",
]


#: Prefix of an interviewer's identity. The job's id follows the prefix, so that no identity is used
#: twice.
INTERVIEWER_PREFIX = "interviewer-"


async def create_room(
    url: str,
    key: str,
    secret: str,
    name: str,
    *,
    empty_timeout_s: int = 300,
    departure_timeout_s: int = 120,
    metadata: str = "",
) -> str:
    """Create a room, or keep the existing room of that name; return its session id ("RM_…").

    Args:
        empty_timeout_s: Seconds that the room waits for its first participant.
        departure_timeout_s: Seconds that the room waits for a candidate who left. An interviewer
            does not keep a room open. By default LiveKit would close the room 20 s after the
            candidate has left, even with the interviewer in the room.
        metadata: Text that every participant can read, so it must contain nothing personal.

    Raises:
        LiveKitError: The call failed. Each subclass stands for one cause.
    """
    request = api.CreateRoomRequest(
        name=name,
        empty_timeout=empty_timeout_s,
        departure_timeout=departure_timeout_s,
        metadata=metadata,
    )
    async with calling("create_room", url, key, secret) as client:
        return (await client.room.create_room(request)).sid


async def delete_room(url: str, key: str, secret: str, name: str) -> bool:
    """Close a room and remove all participants; return False if the room does not exist.

    Raises:
        LiveKitError: The call failed. Each subclass stands for one cause.
    """
    try:
        async with calling("delete_room", url, key, secret) as client:
            await client.room.delete_room(api.DeleteRoomRequest(room=name))
    except RoomToolError as error:
        if error.code != api.ServerErrorCode.NOT_FOUND:
            raise
        return False
    return True


async def dispatch(
    url: str, key: str, secret: str, *, agent_name: str, room: str, metadata: str = ""
) -> str:
    """Dispatch an interviewer to a room, and create the room if needed; return the dispatch's id.

    The server accepts a dispatch even if no worker will take it. Success therefore does not prove
    that an interviewer will join.

    Args:
        agent_name: The agent name under which the workers are registered.
        metadata: Text for the job, which only holders of the API secret can write or read.

    Raises:
        LiveKitError: The call failed. Each subclass stands for one cause.
    """
    request = api.CreateAgentDispatchRequest(agent_name=agent_name, room=room, metadata=metadata)
    async with calling("dispatch", url, key, secret) as client:
        return (await client.agent_dispatch.create_dispatch(request)).id


async def list_participants(url: str, key: str, secret: str, room: str) -> list[str]:
    """Return the sorted identities of all participants; empty if the room does not exist.

    A participant whose process died stays listed for about 20 s.

    Raises:
        LiveKitError: The call failed. Each subclass stands for one cause.
    """
    request = api.ListParticipantsRequest(room=room)
    try:
        async with calling("list_participants", url, key, secret) as client:
            answer = await client.room.list_participants(request)
    except RoomToolError as error:
        if error.code != api.ServerErrorCode.NOT_FOUND:
            raise
        return []
    return sorted(participant.identity for participant in answer.participants)


async def remove_participant(url: str, key: str, secret: str, *, room: str, identity: str) -> bool:
    """Remove one participant from a room; return False if no such participant was in the room.

    Raises:
        LiveKitError: The call failed. Each subclass stands for one cause.
    """
    request = api.RoomParticipantIdentity(room=room, identity=identity)
    try:
        async with calling("remove_participant", url, key, secret) as client:
            await client.room.remove_participant(request)
    except RoomToolError as error:
        if error.code != api.ServerErrorCode.NOT_FOUND:
            raise
        return False
    return True


def candidate_token(
    key: str, secret: str, *, room: str, identity: str, name: str = "", ttl_s: float = 4 * 3600
) -> str:
    """Return a signed token with which a candidate may join one room, speak, write and listen.

    The token allows no camera, no screen, no changes to the candidate's own attributes, and no
    other room.

    Args:
        name: The candidate's name, which the other participants see.
        ttl_s: Seconds for which the candidate may join or rejoin.

    Raises:
        ValueError: The key, the secret, the room or the identity is empty.
    """
    if not (key and secret and room and identity):
        raise ValueError("a candidate's token needs a key, a secret, a room and an identity")
    grants = api.VideoGrants(
        room_join=True,
        room=room,
        can_publish=True,
        can_publish_sources=["microphone"],
        can_publish_data=True,
        can_subscribe=True,
        can_update_own_metadata=False,
    )
    token = api.AccessToken(key, secret).with_identity(identity).with_name(name)
    return token.with_ttl(datetime.timedelta(seconds=ttl_s)).with_grants(grants).to_jwt()
