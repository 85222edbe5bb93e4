"""`LiveKitRoomClient`: the calls about one room, with a token instead of the API secret."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from livekit import api

from worker.livekit_api.calls import LiveKitCalls
from worker.livekit_api.errors import LiveKitKeyRefused

#: Seconds for which a room token is valid. A job asks for a new token after half of this time.
TOKEN_S: Final = 3600.0


@dataclass(frozen=True, repr=False)
class LiveKitRoomClient(LiveKitCalls):
    """Client for the calls about one room of a LiveKit server, over the server's HTTP API.

    The server accepts the token for the calls about the participants and the dispatches of the
    token's room. Calls about another room, and calls that create, list or delete rooms, raise
    LiveKitKeyRefused. Each call opens its own connection.
    """

    #: Returns the current token of the room; empty if there is none.
    token: Callable[[], str]

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[api.LiveKitAPI]:
        async with api.LiveKitAPI.with_token(self.token(), self.url) as server:
            yield server

    def _check_access(self) -> None:
        if not self.token():
            # With an empty token LiveKit's own client would use the key from the environment.
            raise LiveKitKeyRefused(self.url)


def room_client(url: str, token: Callable[[], str]) -> LiveKitRoomClient:
    """Return a client that calls the server at `url` with the room token that `token` returns."""
    return LiveKitRoomClient(url, "", "", token)


def room_token(key: str, secret: str, room: str, *, ttl_s: float = TOKEN_S) -> str:
    """Return a signed token for the calls about one room.

    The token does not allow its holder to join the room.

    This function does not call the server.

    Args:
        key: API key of the server.
        secret: Secret of the API key.
        room: Name of the room.
        ttl_s: Seconds for which the token is valid.

    Raises:
        ValueError: The key, the secret or the room is empty.
    """
    if not (key and secret and room):
        raise ValueError("a room token needs a key, a secret and a room")
    grants = api.VideoGrants(
        room_admin=True,
        room=room,
        can_publish=False,
        can_publish_data=False,
        can_subscribe=False,
    )
    token = api.AccessToken(key, secret).with_grants(grants)
    return token.with_ttl(datetime.timedelta(seconds=ttl_s)).to_jwt()
