"""The distinct errors of a LiveKit URL, key or server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from worker.livekit_api.client import (
    LiveKitKeyRefused,
    LiveKitUnreachable,
    LiveKitUrlInvalid,
    check_livekit,
    check_url,
    shown_url,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"


@asynccontextmanager
async def answering(*answers: web.Response) -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the URL of a server and its requested paths.

    The server gives the answers in turn and repeats the last one.
    """
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        given = answers[min(len(asked), len(answers) - 1)]
        asked.append(request.path)
        return web.Response(status=given.status, body=given.body, content_type=given.content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/")), asked


def refusal(status: int, code: str) -> web.Response:
    return web.json_response({"code": code, "msg": "no"}, status=status)


@pytest.mark.parametrize(
    "url",
    ["ws://127.0.0.1:7880", "wss://example.livekit.cloud", "http://host", "https://h:1/path"],
)
def test_a_url_of_a_server_is_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:7880", "localhost", "ftp://host", "ws://", "ws://host:port", "ws://[::1"],
)
def test_an_invalid_server_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(LiveKitUrlInvalid, match=r"ws://127\.0\.0\.1:7880"):
        check_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://user:hunter2@host:443/p?token=hunter2", "wss://host:443"),
        ("ws://[::1]:7880", "ws://[::1]:7880"),
        ("hunter2", "(no scheme or no host)"),
        ("ws://host:hunter2", "(unreadable)"),
    ],
)
def test_a_url_is_shown_without_possible_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert "hunter2" not in str(LiveKitUrlInvalid(url))


async def test_a_refused_key_ends_the_check_immediately_and_shows_no_secret() -> None:
    async with answering(refusal(401, "unauthenticated")) as (url, asked):
        with pytest.raises(LiveKitKeyRefused) as caught:
            await check_livekit(url, KEY, SECRET, budget_s=60)
    assert len(asked) == 1
    assert "LIVEKIT_API_SECRET" in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_an_empty_key_is_refused_without_using_environment_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVEKIT_API_KEY", KEY)
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)
    async with answering(web.Response()) as (url, asked):
        with pytest.raises(LiveKitKeyRefused):
            await check_livekit(url, "", "", budget_s=60)
    assert asked == []


async def test_a_server_that_comes_up_within_the_budget_passes() -> None:
    away = refusal(503, "unavailable")
    async with answering(away, web.Response(status=502), web.Response()) as (url, asked):
        await check_livekit(url, KEY, SECRET, budget_s=60)
    assert len(asked) == 3


async def test_a_server_that_does_not_start_is_unreachable_after_the_budget() -> None:
    async with answering(web.Response()) as (url, _):
        closed_afterwards = url
    with pytest.raises(LiveKitUnreachable) as caught:
        await check_livekit(closed_afterwards, KEY, SECRET, budget_s=0.6)
    assert caught.value.reason == "connection refused"
    assert caught.value.budget_s == 0.6


async def test_another_server_at_the_address_counts_as_unreachable() -> None:
    async with answering(web.Response(status=404, text="not here")) as (url, _):
        with pytest.raises(LiveKitUnreachable, match="HTTP 404"):
            await check_livekit(url, KEY, SECRET, budget_s=0.1)


async def test_an_unresponsive_server_is_given_up_within_the_budget() -> None:
    """livekit-api's own calls wait for such a server without limit."""
    connected = asyncio.Event()

    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(LiveKitUnreachable):
            await check_livekit(f"ws://127.0.0.1:{port}", "key", "s" * 32, budget_s=0.5)
        assert connected.is_set()
        gone.set()


@pytest.mark.parametrize("url", ["ws://user:hunter2@127.0.0.1:7880", "wss://user@example.org"])
def test_a_url_with_credentials_is_refused_without_showing_them(url: str) -> None:
    with pytest.raises(LiveKitUrlInvalid) as refused:
        check_url(url)
    assert "hunter2" not in str(refused.value)
