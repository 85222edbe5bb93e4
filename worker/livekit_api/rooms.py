"""Room tools: rooms, dispatches, participants and tokens of a LiveKit server.

Every tool takes the server's URL (ws, wss, http or https) and an API key with its secret. Every
tool raises one of the errors of `worker.livekit_api`, which are exported here as well.
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


#: Prefix of an interviewer's identity. The job's id follows, so that no identity is used twice.
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
    """Create a room, or keep the one of that name; return its session id ("RM_…").

    Args:
        empty_timeout_s: Seconds that the room waits for its first participant.
        departure_timeout_s: Seconds that the room waits for a candidate who left. An interviewer
            does not keep a room alive: LiveKit's own default closes it after 20 s with the
            interviewer inside.
        metadata: Shown to every participant, so never anything personal.

    Raises:
        LiveKitError: One of `worker.livekit_api`.
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
    """Close a room and remove all participants; return False if there is no such room.

    Raises:
        LiveKitError: One of `worker.livekit_api`.
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
    """Dispatch an interviewer to a room, created if necessary; return the dispatch's id.

    The server accepts a dispatch that no worker will take, so success does not prove that an
    interviewer will come.

    Args:
        agent_name: The name that the workers have registered under.
        metadata: Handed to the job; only holders of the API secret can write or read it.

    Raises:
        LiveKitError: One of `worker.livekit_api`.
    """
    request = api.CreateAgentDispatchRequest(agent_name=agent_name, room=room, metadata=metadata)
    async with calling("dispatch", url, key, secret) as client:
        return (await client.agent_dispatch.create_dispatch(request)).id


async def list_participants(url: str, key: str, secret: str, room: str) -> list[str]:
    """Return the identities of all participants, sorted; empty if there is no such room.

    A participant whose process died stays listed for about 20 s.

    Raises:
        LiveKitError: One of `worker.livekit_api`.
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
    """Remove one participant from a room; return False if it was not there.

    Raises:
        LiveKitError: One of `worker.livekit_api`.
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
    """Sign the token a candidate joins with: one room, a microphone, text, and listening.

    It allows no camera, no screen, no changes to the candidate's own attributes, and no other room.

    Args:
        name: Shown to the other participants.
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
