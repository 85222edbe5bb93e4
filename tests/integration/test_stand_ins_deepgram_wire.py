"""The local Deepgram test server on the wire: parts that the plugin hides or never uses."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
import pytest
from aiohttp import WSMsgType

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.support.database.provider_clients import RATE, hears, silence, tone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientWebSocketResponse

TEXT = "Hello there, friend."
QUERY = {
    "model": "nova-3",
    "language": "en-US",
    "encoding": "linear16",
    "sample_rate": str(RATE),
    "endpointing": "300",
    "interim_results": "true",
    "vad_events": "true",
    "punctuate": "true",
}


@asynccontextmanager
async def connected(
    server: DeepgramStandIn, **query: str
) -> AsyncIterator[ClientWebSocketResponse]:
    headers = {"Authorization": f"Token {server.key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(
            server.base_url, params=QUERY | query, headers=headers, autoping=False
        ) as socket,
    ):
        yield socket


async def until(socket: ClientWebSocketResponse, **wanted: Any) -> dict[str, Any]:
    """Return the next message with these values."""
    while True:
        message: dict[str, Any] = await socket.receive_json()
        if wanted.items() <= message.items():
            return message


async def test_long_speech_is_final_piece_by_piece_and_ends_once() -> None:
    async with DeepgramStandIn(hear=hears(TEXT)) as server, connected(server) as socket:
        await socket.send_bytes(np.concatenate([tone(8.0), silence(0.5)]).tobytes())
        first = await until(socket, type="Results", is_final=True)
        second = await until(socket, type="Results", is_final=True)

    assert [first["speech_final"], second["speech_final"]] == [False, True]
    assert second["start"] == pytest.approx(first["start"] + first["duration"])


async def test_silence_gives_results_without_text() -> None:
    async with DeepgramStandIn(hear=hears(TEXT)) as server, connected(server) as socket:
        await socket.send_bytes(silence(1.0).tobytes())
        interim = await until(socket, type="Results")
        await socket.send_bytes(silence(4.0).tobytes())
        final = await until(socket, type="Results", is_final=True)

    for results in (interim, final):
        assert results["channel"]["alternatives"] == [
            {"transcript": "", "confidence": 0.0, "words": []}
        ]


async def test_finalize_gives_the_transcript_so_far() -> None:
    async with DeepgramStandIn(hear=hears(TEXT)) as server, connected(server) as socket:
        await socket.send_bytes(tone(0.7).tobytes())
        await socket.send_json({"type": "Finalize"})
        results = await until(socket, type="Results", is_final=True)

    assert results["from_finalize"] is True
    assert results["speech_final"] is True
    assert results["channel"]["alternatives"][0]["transcript"] == TEXT


async def test_close_stream_gives_the_rest_and_the_metadata_and_closes() -> None:
    async with DeepgramStandIn(hear=hears(TEXT)) as server, connected(server) as socket:
        await socket.send_bytes(tone(0.7).tobytes())
        await socket.send_json({"type": "CloseStream"})
        results = await until(socket, type="Results", is_final=True)
        metadata = await until(socket, type="Metadata")
        end = await socket.receive()

    assert results["channel"]["alternatives"][0]["transcript"] == TEXT
    assert metadata["request_id"] == results["metadata"]["request_id"]
    assert metadata["duration"] == pytest.approx(0.7)
    assert (end.type, end.data) == (WSMsgType.CLOSE, 1000)
    assert server.audio_s == pytest.approx(0.7)


async def test_the_end_of_an_utterance_is_sent_when_requested() -> None:
    async with (
        DeepgramStandIn(hear=hears(TEXT)) as server,
        connected(server, utterance_end_ms="1000") as socket,
    ):
        await socket.send_bytes(np.concatenate([tone(1.0), silence(1.5)]).tobytes())
        ended = await until(socket, type="UtteranceEnd")

    assert ended["last_word_end"] == pytest.approx(1.0, abs=0.1)


async def test_a_client_that_sends_nothing_is_closed_with_net_0001() -> None:
    async with DeepgramStandIn(idle_timeout_s=0.05) as server, connected(server) as socket:
        metadata = await until(socket, type="Metadata")
        end = await socket.receive()

    assert metadata["duration"] == 0.0
    assert (end.type, end.data) == (WSMsgType.CLOSE, 1011)
    assert "net0001" in str(end.extra)


async def test_keep_alive_and_pings_are_answered_as_by_deepgram() -> None:
    async with DeepgramStandIn(hear=hears(TEXT)) as server, connected(server) as socket:
        await socket.send_json({"type": "KeepAlive"})
        await socket.ping(b"there?")
        pong = await socket.receive()

    assert (pong.type, bytes(pong.data)) == (WSMsgType.PONG, b"there?")


async def test_a_forbidden_message_closes_the_stream() -> None:
    async with DeepgramStandIn(hear=hears(TEXT)) as server, connected(server) as socket:
        await socket.send_str("hello")
        await until(socket, type="Metadata")
        end = await socket.receive()

    assert (end.type, end.data) == (WSMsgType.CLOSE, 1008)


@pytest.mark.parametrize(
    ("key", "query", "status", "code", "message"),
    [
        ("wrong", {}, 401, "INVALID_AUTH", "Invalid credentials."),
        ("", {"model": "nova-9"}, 400, "Bad Request", "No such model/language"),
        ("", {"model": "nova-3-medical", "language": "de"}, 400, "Bad Request", "No such model"),
        ("", {"encoding": "opus"}, 400, "Bad Request", "encoding"),
        ("", {"channels": "2"}, 400, "Bad Request", "channels"),
        ("", {"sample_rate": "fast"}, 400, "Bad Request", "sample_rate"),
        ("", {"sample_rate": "96000"}, 400, "Bad Request", "sample_rate"),
        ("", {"endpointing": "soon"}, 400, "Bad Request", "endpointing"),
    ],
)
async def test_a_bad_request_is_refused_with_deepgrams_message(
    key: str, query: dict[str, str], status: int, code: str, message: str
) -> None:
    async with DeepgramStandIn() as server, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Token {key or server.key}"}
        async with http.get(server.base_url, params=QUERY | query, headers=headers) as response:
            body = await response.json()

    assert response.status == status
    assert body["err_code"] == code
    assert message in body["err_msg"]
    assert body["request_id"] == response.headers["dg-request-id"]


async def test_a_key_is_checked_with_the_list_of_projects() -> None:
    async with DeepgramStandIn() as server, aiohttp.ClientSession() as http:
        url = server.base_url.replace("listen", "projects")
        statuses = []
        for key in (server.key, "wrong"):
            async with http.get(url, headers={"Authorization": f"Token {key}"}) as response:
                statuses.append(response.status)

    assert statuses == [200, 401]


async def test_words_lie_within_their_piece_of_long_speech() -> None:
    async with DeepgramStandIn(hear=hears(TEXT)) as server, connected(server) as socket:
        await socket.send_bytes(np.concatenate([tone(5.9), silence(0.5)]).tobytes())
        finals = [await until(socket, type="Results", is_final=True)]
        while not finals[-1]["speech_final"]:
            finals.append(await until(socket, type="Results", is_final=True))

    for final in finals:
        for word in final["channel"]["alternatives"][0]["words"]:
            assert final["start"] <= word["start"] < word["end"]
            assert word["end"] <= final["start"] + final["duration"] + 0.001
