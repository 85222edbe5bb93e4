"""The check of a LiveKit server with its distinct errors, and the grants of a candidate's token."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import api

from worker.aio.backoff import ExponentialBackoff
from worker.livekit_api import client
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitKeyRefused, LiveKitUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

URL = "ws://127.0.0.1:7880"
KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a check try again at once."""
    monkeypatch.setattr(client, "_RETRY", ExponentialBackoff(first_s=0.01, longest_s=0.02))


@asynccontextmanager
async def answering(*answers: web.Response | None) -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the URL of a server and its requested paths.

    The server gives the answers in turn and repeats the last one. None is no answer.
    """
    asked: list[str] = []
    over = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        given = answers[min(len(asked), len(answers) - 1)]
        asked.append(request.path)
        if given is None:
            await over.wait()
            return web.Response()
        return web.Response(status=given.status, body=given.body, content_type=given.content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        try:
            yield str(server.make_url("/")), asked
        finally:
            over.set()


def refusal(status: int, code: str) -> web.Response:
    return web.json_response({"code": code, "msg": "no"}, status=status)


async def test_a_refused_key_ends_the_check_immediately_and_shows_no_secret() -> None:
    async with answering(refusal(401, "unauthenticated")) as (url, asked):
        with pytest.raises(LiveKitKeyRefused) as caught:
            await LiveKitClient(url, KEY, SECRET).check(budget_s=60)
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
            await LiveKitClient(url, "", "").check(budget_s=60)
    assert asked == []


async def test_a_server_that_comes_up_within_the_budget_passes() -> None:
    away = refusal(503, "unavailable")
    async with answering(away, web.Response(status=502), web.Response()) as (url, asked):
        await LiveKitClient(url, KEY, SECRET).check(budget_s=60)
    assert len(asked) == 3


async def test_a_server_that_does_not_start_is_unreachable_after_the_budget() -> None:
    async with answering(web.Response()) as (url, _):
        closed_afterwards = url
    with pytest.raises(LiveKitUnreachable) as caught:
        await LiveKitClient(closed_afterwards, KEY, SECRET).check(budget_s=0.1)
    assert caught.value.reason == "connection refused"
    assert caught.value.budget_s == 0.1
    assert caught.value.tried_s is not None
    assert f"tried for {caught.value.tried_s:.1f} s" in str(caught.value)


async def test_a_single_refused_call_does_not_claim_to_have_been_tried_for_long() -> None:
    async with answering(web.Response()) as (url, _):
        closed_afterwards = url
    with pytest.raises(LiveKitUnreachable) as caught:
        await LiveKitClient(closed_afterwards, KEY, SECRET).create_room("a-room")
    assert caught.value.tried_s is None
    assert "(connection refused);" in str(caught.value)


async def test_another_server_at_the_address_counts_as_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_RETRY", ExponentialBackoff(first_s=60, longest_s=60))
    async with answering(web.Response(status=404, text="not here")) as (url, _):
        with pytest.raises(LiveKitUnreachable, match="HTTP 404"):
            await LiveKitClient(url, KEY, SECRET).check(budget_s=10)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<html>a login page</html>", content_type="text/html"),
        web.json_response(["no"], status=404),
        web.json_response(None, status=404),
    ],
    ids=["a page", "a list as error", "null as error"],
)
async def test_an_answer_that_is_not_from_livekit_counts_as_unreachable(
    answer: web.Response,
) -> None:
    async with answering(answer) as (url, _):
        with pytest.raises(LiveKitUnreachable) as caught:
            await LiveKitClient(url, KEY, SECRET).create_room("a-room")
    assert caught.value.reason == "the answer is not from LiveKit"


@pytest.mark.parametrize("code", ["x" * 10_000, "\x1b[2J\n", 7, ["no"], {"a": 1}], ids=range(5))
async def test_an_error_code_that_livekit_does_not_have_is_not_shown(code: object) -> None:
    async with answering(web.json_response({"code": code}, status=404)) as (url, _):
        with pytest.raises(LiveKitUnreachable) as caught:
            await LiveKitClient(url, KEY, SECRET).create_room("a-room")
    assert caught.value.reason == "HTTP 404"


async def test_an_attempt_that_the_budget_cuts_short_does_not_hide_an_earlier_reason() -> None:
    async with answering(web.Response(status=404), None) as (url, asked):
        with pytest.raises(LiveKitUnreachable, match="HTTP 404"):
            await LiveKitClient(url, KEY, SECRET).check(budget_s=0.6)
    assert len(asked) == 2


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
            await LiveKitClient(f"ws://127.0.0.1:{port}", "key", "s" * 32).check(budget_s=0.3)
        assert connected.is_set()
        gone.set()


def test_the_text_of_a_client_shows_no_secret() -> None:
    client = LiveKitClient("ws://user:hunter2@host:7880", KEY, SECRET)
    assert repr(client) == f"LiveKitClient('ws://host:7880', '{KEY}', '***')"
    assert str(client) == repr(client)


def test_a_candidate_token_allows_one_room_with_audio_text_and_listening() -> None:
    token = LiveKitClient(URL, KEY, SECRET).candidate_token(
        room="a-room", identity="candidate-1", name="Ann"
    )
    claims = api.TokenVerifier(KEY, SECRET).verify(token)
    assert (claims.identity, claims.name) == ("candidate-1", "Ann")
    assert claims.video == api.VideoGrants(
        room_join=True,
        room="a-room",
        can_publish=True,
        can_publish_sources=["microphone"],
        can_publish_data=True,
        can_subscribe=True,
        can_update_own_metadata=False,
    )


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, SECRET, algorithms=["HS256"], options={"verify_nbf": False, "verify_exp": False}
    )
    return claims


def test_a_candidate_token_has_no_other_rights() -> None:
    token = LiveKitClient(URL, KEY, SECRET).candidate_token(room="a-room", identity="candidate-1")
    claims = claims_of(token)
    assert claims["video"] == {
        "roomJoin": True,
        "room": "a-room",
        "canPublish": True,
        "canPublishSources": ["microphone"],
        "canPublishData": True,
        "canSubscribe": True,
        "canUpdateOwnMetadata": False,
    }
    assert set(claims) == {"sub", "iss", "nbf", "exp", "video"}


def test_a_candidate_token_is_valid_for_four_hours_unless_a_window_is_given() -> None:
    client = LiveKitClient(URL, KEY, SECRET)
    claims = claims_of(client.candidate_token(room="a-room", identity="candidate-1"))
    assert claims["exp"] - claims["nbf"] == 4 * 3600
    opens, closes = datetime(2999, 3, 1, 9, tzinfo=UTC), datetime(2999, 3, 8, 9, tzinfo=UTC)
    token = client.candidate_token(
        room="a-room", identity="candidate-1", not_before=opens, expires=closes
    )
    claims = claims_of(token)
    assert (claims["nbf"], claims["exp"]) == (opens.timestamp(), closes.timestamp())


@pytest.mark.parametrize("empty", ["key", "secret", "room", "identity"])
def test_a_token_without_an_identity_or_a_room_is_refused(empty: str) -> None:
    given = {"key": KEY, "secret": SECRET, "room": "a-room", "identity": "candidate-1", empty: ""}
    client = LiveKitClient(URL, given["key"], given["secret"])
    with pytest.raises(ValueError, match="needs a key"):
        client.candidate_token(room=given["room"], identity=given["identity"])
