"""The local ElevenLabs test server on the wire: parts that the plugin hides or never uses."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.stand_ins.elevenlabs import VOICES, ElevenLabsStandIn
from tests.support.database.provider_clients import a_second_of_sound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientWebSocketResponse

VOICE = next(iter(VOICES))


@asynccontextmanager
async def connected(
    server: ElevenLabsStandIn, **query: str
) -> AsyncIterator[ClientWebSocketResponse]:
    params = {"model_id": "eleven_turbo_v2_5", "output_format": "pcm_24000"} | query
    url = f"{server.base_url}/text-to-speech/{VOICE}/multi-stream-input"
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, params=params, headers={"xi-api-key": server.key}) as socket,
    ):
        yield socket


@pytest.mark.parametrize(
    ("voice", "query", "error"),
    [
        ("nobody", {}, "voice_id_does_not_exist"),
        (VOICE, {"model_id": "eleven_v9"}, "model_not_found"),
        (VOICE, {"output_format": "mp3_22050_32"}, "output_format_not_allowed"),
    ],
)
async def test_a_websocket_that_cannot_be_served_gives_the_reason_and_closes(
    voice: str, query: dict[str, str], error: str
) -> None:
    async with (
        ElevenLabsStandIn(speak=a_second_of_sound) as server,
        aiohttp.ClientSession() as http,
    ):
        params = {"model_id": "eleven_turbo_v2_5", "output_format": "pcm_24000"} | query
        url = f"{server.base_url}/text-to-speech/{voice}/multi-stream-input"
        async with http.ws_connect(
            url, params=params, headers={"xi-api-key": server.key}
        ) as socket:
            await socket.send_json({"text": " ", "context_id": "one"})
            message = await socket.receive_json()
            end = await socket.receive()

    assert (message["error"], message["code"]) == (error, 1008)
    assert (end.type, end.data) == (WSMsgType.CLOSE, 1008)


async def test_a_key_can_be_checked_by_listing_voices_and_models() -> None:
    async with (
        ElevenLabsStandIn(speak=a_second_of_sound) as server,
        aiohttp.ClientSession() as http,
    ):
        statuses = []
        for path in ("voices", "models", "user"):
            for key in (server.key, "wrong"):
                url = f"{server.base_url}/{path}"
                async with http.get(url, headers={"xi-api-key": key}) as response:
                    statuses.append(response.status)

    assert statuses == [200, 401] * 3


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [
        ({"model_id": "eleven_turbo_v2_5"}, {}, 400),
        ({"text": "Hello.", "model_id": "eleven_v9"}, {}, 400),
        ({"text": "Hello."}, {"output_format": "mp3_22050_32"}, 403),
    ],
)
async def test_a_bad_http_request_is_refused(
    body: dict[str, str], query: dict[str, str], status: int
) -> None:
    async with (
        ElevenLabsStandIn(speak=a_second_of_sound) as server,
        aiohttp.ClientSession() as http,
    ):
        url = f"{server.base_url}/text-to-speech/{VOICE}/stream"
        params = {"output_format": "pcm_24000"} | query
        headers = {"xi-api-key": server.key}
        async with http.post(url, json=body, params=params, headers=headers) as response:
            content = await response.json()

    assert response.status == status
    assert content["detail"]["status"]


async def test_text_waits_for_a_flush_without_auto_mode() -> None:
    async with (
        ElevenLabsStandIn(speak=a_second_of_sound) as server,
        connected(server, sync_alignment="true") as socket,
    ):
        await socket.send_json({"text": "Hello ", "context_id": "one"})
        await socket.send_json({"text": "there. ", "context_id": "one", "flush": True})
        message = await socket.receive_json()

    assert message["contextId"] == "one"
    assert len(base64.b64decode(message["audio"])) == 24_000 // 4 * 2
    assert message["alignment"] == message["normalizedAlignment"]
    assert "".join(message["alignment"]["chars"]) == "Hell"


async def test_a_closed_context_is_spoken_to_its_end() -> None:
    async with ElevenLabsStandIn(speak=a_second_of_sound) as server, connected(server) as socket:
        await socket.send_json({"text": "Hello there. ", "context_id": "one"})
        await socket.send_json({"context_id": "one", "close_context": True})
        messages: list[dict[str, Any]] = []
        while not (messages and messages[-1].get("isFinal")):
            messages.append(await socket.receive_json())

    assert len(messages) == 5
    assert messages[0]["alignment"] is None


async def test_a_sixth_concurrent_context_closes_the_websocket() -> None:
    async with ElevenLabsStandIn(speak=a_second_of_sound) as server, connected(server) as socket:
        for name in "abcdef":
            await socket.send_json({"text": " ", "context_id": name})
        message = await socket.receive_json()
        end = await socket.receive()

    assert message["error"] == "max_active_conversations"
    assert end.data == 1008


async def test_a_silent_client_is_closed() -> None:
    async with (
        ElevenLabsStandIn(speak=a_second_of_sound) as server,
        connected(server, inactivity_timeout="0.05") as socket,
    ):
        message = await socket.receive_json()
        end = await socket.receive()

    assert message["error"] == "input_timeout_exceeded"
    assert end.data == 1008


async def test_a_client_may_close_the_websocket() -> None:
    async with ElevenLabsStandIn(speak=a_second_of_sound) as server, connected(server) as socket:
        await socket.send_json({"close_socket": True})
        end = await socket.receive()

    assert (end.type, end.data) == (WSMsgType.CLOSE, 1000)
