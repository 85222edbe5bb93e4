"""The options with which a room is open, as the LiveKit server lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livekit import api

from worker.livekit_api.room_options import RoomOptions

if TYPE_CHECKING:
    from worker.livekit_api.client import LiveKitClient


async def options_of(client: LiveKitClient, room: str) -> RoomOptions:
    """Return the options of a room that is open."""
    async with client.calling("list_rooms") as server:
        (found,) = (await server.room.list_rooms(api.ListRoomsRequest(names=[room]))).rooms
    return RoomOptions(
        empty_timeout_s=found.empty_timeout,
        departure_timeout_s=found.departure_timeout,
        most_people=found.max_participants,
    )
