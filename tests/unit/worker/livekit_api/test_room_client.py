"""A token for the calls about one room, and the client that uses it instead of the API secret."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import api

from worker.livekit_api.errors import LiveKitKeyRefused
from worker.livekit_api.room_client import TOKEN_S, room_client, room_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"


@asynccontextmanager
async def server(*, status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the URL of a server that gives empty answers, and the tokens that it was shown."""
    shown: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        shown.append(request.headers["Authorization"].removeprefix("Bearer "))
        if status != 200:
            return web.json_response({"code": "permission_denied", "msg": "no"}, status=status)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as running:
        yield str(running.make_url("/")), shown


def test_a_room_token_allows_the_calls_about_one_room_and_no_joining() -> None:
    claims = api.TokenVerifier(KEY, SECRET).verify(room_token(KEY, SECRET, "room-1"))
    assert claims.identity == ""
    assert claims.video == api.VideoGrants(
        room_admin=True,
        room="room-1",
        can_publish=False,
        can_publish_data=False,
        can_subscribe=False,
    )


def test_a_room_token_expires() -> None:
    token = room_token(KEY, SECRET, "room-1")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - time.time() == pytest.approx(TOKEN_S, abs=10.0)


@pytest.mark.parametrize("empty", [0, 1, 2], ids=["key", "secret", "room"])
def test_a_room_token_without_a_key_or_a_room_is_refused(
    empty: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiveKit's own client would take the key from the environment."""
    monkeypatch.setenv("LIVEKIT_API_KEY", KEY)
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)
    given = [KEY, SECRET, "room-1"]
    given[empty] = ""
    with pytest.raises(ValueError, match="needs a key"):
        room_token(*given)


async def test_each_call_shows_the_token_that_is_current_then() -> None:
    tokens = iter(["first", "second"])
    async with server() as (url, shown):
        current = {"token": next(tokens)}
        client = room_client(url, lambda: current["token"])
        assert await client.list_participants("room-1") == []
        current["token"] = next(tokens)
        assert await client.remove_participant(room="room-1", identity="someone")
    assert shown == ["first", "second"]


async def test_without_a_token_no_call_is_made_with_a_key_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVEKIT_API_KEY", KEY)
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)
    monkeypatch.setenv("LIVEKIT_TOKEN", "another")
    async with server() as (url, shown):
        with pytest.raises(LiveKitKeyRefused):
            await room_client(url, lambda: "").list_participants("room-1")
    assert shown == []


async def test_a_call_that_the_token_does_not_allow_is_refused() -> None:
    async with server(status=403) as (url, _):
        with pytest.raises(LiveKitKeyRefused):
            await room_client(url, lambda: "token").list_participants("room-2")


def test_the_text_of_a_client_shows_no_token() -> None:
    client = room_client("ws://host:7880", lambda: "hunter2")
    assert repr(client) == "LiveKitRoomClient('ws://host:7880', '', '***')"
