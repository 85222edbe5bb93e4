"""Room tools against a real LiveKit server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from livekit import rtc

from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitKeyRefused, RoomToolError
from worker.simulation.room_candidate import Candidate

if TYPE_CHECKING:
    from worker.simulation.livekit_server import LiveKitServer


@pytest.fixture
def client(livekit_server: LiveKitServer) -> LiveKitClient:
    return livekit_server.client


@pytest.fixture
def room() -> str:
    return f"room-{uuid4().hex[:8]}"


async def test_a_room_is_created_once_and_deleted_once(client: LiveKitClient, room: str) -> None:
    first = await client.create_room(room, metadata="m")
    assert first.startswith("RM_")
    assert await client.create_room(room) == first
    assert await client.delete_room(room)
    assert not await client.delete_room(room)


async def test_a_dispatch_is_accepted_without_a_worker(client: LiveKitClient, room: str) -> None:
    first = await client.dispatch(agent_name="interviewer", room=room, metadata="{}")
    second = await client.dispatch(agent_name="interviewer", room=room)
    assert first.startswith("AD_")
    assert first != second


async def test_a_candidate_is_listed_and_removed_once(client: LiveKitClient, room: str) -> None:
    token = client.candidate_token(room=room, identity="candidate-1", name="Ann")
    assert await client.list_participants(room) == []
    async with Candidate(client.url, token) as candidate:
        assert await client.list_participants(room) == ["candidate-1"]
        assert await client.remove_participant(room=room, identity="candidate-1")
        await candidate.wait_until_disconnected(timeout_s=20)
    assert not await client.remove_participant(room=room, identity="candidate-1")


async def test_an_expired_token_is_refused(client: LiveKitClient, room: str) -> None:
    token = client.candidate_token(room=room, identity="late", ttl_s=-3600)
    with pytest.raises(rtc.ConnectError):
        await Candidate(client.url, token).join()


async def test_http_urls_work_like_websocket_urls(
    livekit_server: LiveKitServer, client: LiveKitClient, room: str
) -> None:
    assert await replace(client, url=livekit_server.http_url).create_room(room)


async def test_a_refusal_names_the_operation_and_the_code(client: LiveKitClient) -> None:
    with pytest.raises(RoomToolError) as caught:
        await client.create_room("x" * 1000)
    assert caught.value.operation == "create_room"
    assert caught.value.code == "invalid_argument"


async def test_a_wrong_secret_is_refused_for_every_call(client: LiveKitClient, room: str) -> None:
    stranger = replace(client, secret="wrong" * 10)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.create_room(room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.delete_room(room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.dispatch(agent_name="interviewer", room=room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.list_participants(room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.remove_participant(room=room, identity="candidate-1")
