"""The tokens of calls to LiveKit's server API, which are signed in less processor time."""

from __future__ import annotations

from typing import Any

import aiohttp
import jwt
import pytest
from livekit import api

from worker.livekit_api.signing import sign_quickly, token_of

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"

GRANTS = (
    api.VideoGrants(room_admin=True, room="room-1"),
    api.VideoGrants(room_list=True),
    api.VideoGrants(room_admin=True, room="a room", destination_room="b", can_publish=False),
    api.VideoGrants(can_publish_sources=["microphone"], can_update_own_metadata=False),
    None,
)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"])
    return claims


@pytest.mark.parametrize("grants", GRANTS)
def test_a_token_says_the_same_as_the_token_of_livekits_client(
    grants: api.VideoGrants | None,
) -> None:
    theirs = api.AccessToken(KEY, SECRET)
    if grants is not None:
        theirs = theirs.with_grants(grants)
    expected, found = claims_of(theirs.to_jwt()), claims_of(token_of(grants, KEY, SECRET))
    for time in ("nbf", "exp"):
        assert found.pop(time) == pytest.approx(expected.pop(time), abs=5)
    assert found == expected


async def test_livekits_client_signs_its_calls_with_it() -> None:
    grants = api.VideoGrants(room_admin=True, room="room-1")
    async with aiohttp.ClientSession() as session:
        server = sign_quickly(
            api.LiveKitAPI("http://localhost", "x", "y", session=session), KEY, SECRET
        )
        for service in (server.room, server.agent_dispatch):
            kind, _, token = service._auth_header(grants)["authorization"].partition(" ")
            assert kind == "Bearer"
            assert claims_of(token)["video"]["room"] == "room-1"
            assert claims_of(token)["iss"] == KEY
