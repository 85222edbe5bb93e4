"""Room tools against a real LiveKit server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from livekit import rtc

from worker.livekit_api import rooms
from worker.simulation.room_candidate import Candidate

if TYPE_CHECKING:
    from worker.simulation.livekit_server import LiveKitServer

Access = tuple[str, str, str]


@pytest.fixture
def access(livekit_server: LiveKitServer) -> Access:
    return (livekit_server.url, livekit_server.api_key, livekit_server.api_secret)


@pytest.fixture
def room() -> str:
    return f"room-{uuid4().hex[:8]}"


async def test_a_room_is_created_once_and_deleted_once(access: Access, room: str) -> None:
    first = await rooms.create_room(*access, room, metadata="m")
    assert first.startswith("RM_")
    assert await rooms.create_room(*access, room) == first
    assert await rooms.delete_room(*access, room)
    assert not await rooms.delete_room(*access, room)


async def test_a_dispatch_is_accepted_without_a_worker(access: Access, room: str) -> None:
    first = await rooms.dispatch(*access, agent_name="interviewer", room=room, metadata="{}")
    second = await rooms.dispatch(*access, agent_name="interviewer", room=room)
    assert first.startswith("AD_")
    assert first != second


async def test_a_candidate_is_listed_and_removed_once(access: Access, room: str) -> None:
    token = rooms.candidate_token(*access[1:], room=room, identity="candidate-1", name="Ann")
    assert await rooms.list_participants(*access, room) == []
    async with Candidate(access[0], token) as candidate:
        assert await rooms.list_participants(*access, room) == ["candidate-1"]
        assert await rooms.remove_participant(*access, room=room, identity="candidate-1")
        await candidate.wait_until_disconnected(timeout_s=20)
    assert not await rooms.remove_participant(*access, room=room, identity="candidate-1")


async def test_an_expired_token_is_refused(access: Access, room: str) -> None:
    token = rooms.candidate_token(*access[1:], room=room, identity="late", ttl_s=-3600)
    with pytest.raises(rtc.ConnectError):
        await Candidate(access[0], token).join()


async def test_http_urls_work_like_websocket_urls(
    livekit_server: LiveKitServer, access: Access, room: str
) -> None:
    assert await rooms.create_room(livekit_server.http_url, *access[1:], room)


async def test_a_refusal_names_the_operation_and_the_code(access: Access) -> None:
    with pytest.raises(rooms.RoomToolError) as caught:
        await rooms.create_room(*access, "x" * 1000)
    assert caught.value.operation == "create_room"
    assert caught.value.code == "invalid_argument"


async def test_a_wrong_secret_is_refused_for_every_call(access: Access, room: str) -> None:
    wrong = (*access[:2], "wrong" * 10)
    with pytest.raises(rooms.LiveKitKeyRefused):
        await rooms.create_room(*wrong, room)
    with pytest.raises(rooms.LiveKitKeyRefused):
        await rooms.delete_room(*wrong, room)
    with pytest.raises(rooms.LiveKitKeyRefused):
        await rooms.dispatch(*wrong, agent_name="interviewer", room=room)
    with pytest.raises(rooms.LiveKitKeyRefused):
        await rooms.list_participants(*wrong, room)
    with pytest.raises(rooms.LiveKitKeyRefused):
        await rooms.remove_participant(*wrong, room=room, identity="candidate-1")
