"""Taking the right to publish data: the other rights of the participant stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import api

from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.data_right import take_data_right
from worker.livekit_api.errors import LiveKitKeyRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"


class FakeServer:
    """Answers with the rights of one participant, and takes changes of them."""

    def __init__(self) -> None:
        self.rights = api.ParticipantPermission(
            can_subscribe=True,
            can_publish=True,
            can_publish_data=True,
            can_publish_sources=[api.TrackSource.MICROPHONE],
        )
        self.refusal: tuple[int, str] | None = None
        self.updates: list[api.UpdateParticipantRequest] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.refusal is not None:
            status, code = self.refusal
            return web.json_response({"code": code, "msg": "no"}, status=status)
        if request.path.endswith("/UpdateParticipant"):
            self.updates.append(api.UpdateParticipantRequest.FromString(body))
        about = api.ParticipantInfo(identity="ada", permission=self.rights)
        return web.Response(body=about.SerializeToString(), content_type="application/protobuf")


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[LiveKitClient]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        yield LiveKitClient(str(running.make_url("/")), KEY, SECRET)


async def test_one_right_is_taken_and_the_others_stay(
    server: FakeServer, client: LiveKitClient
) -> None:
    assert await take_data_right(client, room="r", identity="ada")
    (update,) = server.updates
    assert (update.room, update.identity) == ("r", "ada")
    assert (update.name, update.metadata, dict(update.attributes)) == ("", "", {})
    server.rights.can_publish_data = False
    assert update.permission == server.rights


async def test_a_participant_who_has_left_has_no_right_to_take(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.refusal = (404, "not_found")
    assert not await take_data_right(client, room="r", identity="ada")
    assert server.updates == []


async def test_a_key_without_the_grant_is_an_error(
    server: FakeServer, client: LiveKitClient
) -> None:
    server.refusal = (403, "permission_denied")
    with pytest.raises(LiveKitKeyRefused):
        await take_data_right(client, room="r", identity="ada")
