"""Takes away the right of a participant of a room to publish data."""

from __future__ import annotations

from typing import Final

from livekit import api

from worker.livekit_api.calls import LiveKitCalls
from worker.livekit_api.errors import RoomToolError

#: Timeout in seconds for both calls of `take_data_right` together. Each call takes some
#: milliseconds.
_TIMEOUT_S: Final = 2.0


async def take_data_right(livekit: LiveKitCalls, *, room: str, identity: str) -> bool:
    """Take away the right to publish data; return False if no such participant is in the room.

    All other rights of the participant stay unchanged. LiveKit then drops all further data of the
    participant, and closes its data tracks. A participant who leaves and joins again has the rights
    of its token again.

    The key of `livekit` needs the grant `roomAdmin` for the room. Raises LiveKitError if a call
    fails.
    """
    about = api.RoomParticipantIdentity(room=room, identity=identity)
    try:
        async with livekit.calling("take_data_right", timeout_s=_TIMEOUT_S) as server:
            rights = (await server.room.get_participant(about)).permission
            rights.can_publish_data = False
            await server.room.update_participant(
                api.UpdateParticipantRequest(room=room, identity=identity, permission=rights)
            )
    except RoomToolError as error:
        if error.code != api.ServerErrorCode.NOT_FOUND:
            raise
        return False
    return True
