"""The options of a room, and what happens to a room that is open with other options."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import api

from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.room_options import RoomOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"
OPTIONS = RoomOptions(empty_timeout_s=3600, departure_timeout_s=120, most_people=4)
NOW_S = 1_800_000_000


class FakeServer:
    """A LiveKit server that keeps the options of a room that is open, as livekit-server does."""

    def __init__(self) -> None:
        self.rooms: dict[str, api.Room] = {}
        self.people: list[str] = []
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        call = request.path.rpartition("/")[2]
        self.asked.append(call)
        answer: bytes
        if call == "CreateRoom":
            asked = api.CreateRoomRequest.FromString(body)
            made = api.Room(
                sid=f"RM_{len(self.asked)}",
                name=asked.name,
                creation_time=int(time.time()),
                empty_timeout=asked.empty_timeout,
                departure_timeout=asked.departure_timeout,
                max_participants=asked.max_participants,
                metadata=asked.metadata,
            )
            answer = self.rooms.setdefault(asked.name, made).SerializeToString()
        elif call == "ListParticipants":
            people = [api.ParticipantInfo(identity=identity) for identity in self.people]
            answer = api.ListParticipantsResponse(participants=people).SerializeToString()
        else:
            assert call == "DeleteRoom"
            del self.rooms[api.DeleteRoomRequest.FromString(body).room]
            answer = api.DeleteRoomResponse().SerializeToString()
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


async def create(client: LiveKitClient) -> str:
    return await client.create_room(
        "a-room",
        empty_timeout_s=OPTIONS.empty_timeout_s,
        departure_timeout_s=OPTIONS.departure_timeout_s,
        most_people=OPTIONS.most_people,
    )


def opened(
    *, departure_s: int = 120, empty_s: int = 3600, age_s: int = 0, people: int = 4
) -> api.Room:
    """Return a room that has been open for `age_s` seconds."""
    return api.Room(
        sid="RM_old",
        name="a-room",
        creation_time=NOW_S - age_s,
        empty_timeout=empty_s,
        departure_timeout=departure_s,
        max_participants=people,
        metadata="of its creator",
    )


@pytest.mark.parametrize(
    ("room", "are_met"),
    [
        pytest.param(opened(), True, id="the same"),
        pytest.param(opened(departure_s=600, empty_s=86_400, people=2), True, id="longer, smaller"),
        pytest.param(opened(departure_s=20), False, id="the server's departure time-out"),
        pytest.param(opened(age_s=3300), False, id="created early"),
        pytest.param(opened(empty_s=7200, age_s=3600), True, id="created early for the same end"),
        pytest.param(opened(age_s=59), True, id="created a moment ago"),
        pytest.param(opened(people=0), False, id="no limit of participants"),
        pytest.param(opened(people=5), False, id="a higher limit of participants"),
        pytest.param(api.Room(sid="RM_1"), True, id="a server that does not say"),
    ],
)
def test_an_open_room_meets_options_if_it_stays_open_as_long_and_is_as_small(
    room: api.Room, are_met: bool
) -> None:
    assert OPTIONS.are_met_by(room, now_s=NOW_S) is are_met


async def test_a_new_room_has_the_options_and_is_created_with_one_call(
    server: FakeServer, client: LiveKitClient
) -> None:
    assert await create(client) == "RM_1"
    room = server.rooms["a-room"]
    assert (room.empty_timeout, room.departure_timeout, room.max_participants) == (3600, 120, 4)
    assert await create(client) == "RM_1"
    assert server.asked == ["CreateRoom", "CreateRoom"]


async def test_an_empty_room_with_other_options_is_created_anew(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.rooms["a-room"] = opened(departure_s=20)
    assert await create(client) != "RM_old"
    room = server.rooms["a-room"]
    assert (room.empty_timeout, room.departure_timeout, room.max_participants) == (3600, 120, 4)
    assert room.metadata == "of its creator"


async def test_a_room_with_a_participant_stays_as_it_is(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.rooms["a-room"], server.people = opened(departure_s=20), ["candidate-1"]
    assert await create(client) == "RM_old"
    assert "DeleteRoom" not in server.asked


def test_a_candidates_token_contains_the_options_of_a_room_that_is_not_open() -> None:
    token = LiveKitClient("ws://127.0.0.1:7880", KEY, SECRET).candidate_token(
        room="a-room", identity="candidate-1", options=OPTIONS
    )
    found = api.TokenVerifier(KEY, SECRET).verify(token).room_config
    assert found is not None
    assert (found.empty_timeout, found.departure_timeout, found.max_participants) == (3600, 120, 4)
