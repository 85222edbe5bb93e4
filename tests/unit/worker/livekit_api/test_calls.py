"""The calls about many rooms at once, and about the dispatches of a room."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import api

from worker.livekit_api import calls
from worker.livekit_api.calls import Dispatch
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitUnreachable, RoomToolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"


class FakeServer:
    """Answers the calls of a LiveKit server from its rooms and dispatches."""

    def __init__(self) -> None:
        self.rooms: dict[str, int] = {}
        self.dispatches: dict[str, list[api.AgentDispatch]] = {}
        self.refusal: tuple[int, str] | None = None
        self.asked: list[list[str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.refusal is not None:
            status, code = self.refusal
            return web.json_response({"code": code, "msg": "no"}, status=status)
        if request.path.endswith("/ListRooms"):
            names = list(api.ListRoomsRequest.FromString(body).names)
            self.asked.append(names)
            found = [
                api.Room(name=name, num_participants=count)
                for name, count in self.rooms.items()
                if name in names or not names
            ]
            answer = api.ListRoomsResponse(rooms=found).SerializeToString()
        elif request.path.endswith("/ListDispatch"):
            room = api.ListAgentDispatchRequest.FromString(body).room
            listed = api.ListAgentDispatchResponse(agent_dispatches=self.dispatches.get(room, []))
            answer = listed.SerializeToString()
        else:
            asked = api.DeleteAgentDispatchRequest.FromString(body)
            self.asked.append([asked.room, asked.dispatch_id])
            answer = api.AgentDispatch(id=asked.dispatch_id).SerializeToString()
        return web.Response(body=answer, content_type="application/protobuf")


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[LiveKitClient]:
    async with serving(server) as url:
        yield LiveKitClient(url, KEY, SECRET)


@asynccontextmanager
async def serving(server: FakeServer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        yield str(running.make_url("/"))


def dispatch(name: str, created_s: int, *, agent_name: str = "interviewer") -> api.AgentDispatch:
    state = api.AgentDispatchState(created_at=created_s * 1_000_000_000)
    return api.AgentDispatch(id=name, agent_name=agent_name, metadata="m", state=state)


# --- rooms --------------------------------------------------------------------------------------


async def test_one_request_counts_the_participants_of_all_existing_rooms(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.rooms = {"full": 2, "empty": 0, "another": 7}
    found = await client.rooms_with_participants(["full", "gone", "empty", "full"])
    assert found == {"full": 2, "empty": 0}
    assert server.asked == [["full", "gone", "empty"]]


async def test_without_names_the_server_is_not_asked_for_all_of_its_rooms(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.rooms = {"of another application": 1}
    assert await client.rooms_with_participants([]) == {}
    assert server.asked == []


async def test_many_names_are_asked_for_in_requests_of_limited_size(
    server: FakeServer, client: LiveKitClient
) -> None:
    names = [f"room-{number}" for number in range(2 * calls.MOST_NAMES + 1)]
    server.rooms = dict.fromkeys(names, 1)
    assert await client.rooms_with_participants(names) == server.rooms
    assert [len(asked) for asked in server.asked] == [500, 500, 1]


async def test_a_failed_part_fails_the_whole_count(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.refusal = (503, "unavailable")
    with pytest.raises(LiveKitUnreachable, match="HTTP 503"):
        await client.rooms_with_participants(["a-room"])


# --- dispatches ---------------------------------------------------------------------------------


async def test_dispatches_to_named_agents_are_listed_oldest_first(
    server: FakeServer, client: LiveKitClient
) -> None:
    deleted = dispatch("AD_deleted", 1)
    deleted.state.deleted_at = 2
    server.dispatches["a-room"] = [
        dispatch("AD_new", 20),
        deleted,
        dispatch("AD_of_livekit", 1, agent_name=""),
        dispatch("AD_old", 10),
    ]
    assert await client.list_dispatches("a-room") == [
        Dispatch(dispatch_id="AD_old", agent_name="interviewer", created_at=10.0),
        Dispatch(dispatch_id="AD_new", agent_name="interviewer", created_at=20.0),
    ]
    assert await client.list_dispatches("another") == []


async def test_a_dispatch_is_deleted_in_its_room(server: FakeServer, client: LiveKitClient) -> None:
    assert await client.delete_dispatch("a-room", "AD_1")
    assert server.asked == [["a-room", "AD_1"]]


async def test_what_does_not_exist_is_neither_listed_nor_deleted(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.refusal = (404, "not_found")
    assert await client.list_dispatches("a-room") == []
    assert not await client.delete_dispatch("a-room", "AD_1")


async def test_another_refusal_is_an_error_that_names_the_operation(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.refusal = (412, "failed_precondition")
    with pytest.raises(RoomToolError, match="refused delete_dispatch: failed_precondition"):
        await client.delete_dispatch("a-room", "AD_1")
    with pytest.raises(RoomToolError, match="refused list_dispatches: failed_precondition"):
        await client.list_dispatches("a-room")
