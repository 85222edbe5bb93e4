"""Common behaviour of the local test servers: fault binding, counters and shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault, FaultKind, Nonsense, UnknownFault
from tests.stand_ins.openai import OpenAIStandIn
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.stand_ins._server import StandIn


@pytest.fixture
async def server() -> AsyncIterator[OpenAIStandIn]:
    async with OpenAIStandIn() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def status_of(server: OpenAIStandIn, http: aiohttp.ClientSession) -> int:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with http.get(f"{server.base_url}/models", headers=headers) as response:
        await response.read()
        return response.status


async def test_queued_faults_come_before_the_standing_one_and_heal_ends_both(
    server: OpenAIStandIn, http: aiohttp.ClientSession
) -> None:
    server.fault(Fault.refuse(500))
    server.next(Fault.refuse(401))
    server.next(Fault.refuse(429), times=2)

    met = [await status_of(server, http) for _ in range(5)]
    server.next(Fault.refuse(402))
    server.heal()

    assert met == [401, 429, 429, 500, 500]
    assert await status_of(server, http) == 200


async def test_connections_and_requests_are_counted_separately(
    server: OpenAIStandIn, http: aiohttp.ClientSession
) -> None:
    await status_of(server, http)
    server.next(Fault.refuse(503))
    await status_of(server, http)

    assert server.connections == 1
    assert [request.path for request in server.requests] == ["/v1/models", "/v1/models"]
    assert [request.fault for request in server.requests] == [None, Fault.refuse(503)]
    assert server.key not in repr(server.requests)


async def test_too_many_requests_says_when_to_retry(
    server: OpenAIStandIn, http: aiohttp.ClientSession
) -> None:
    server.next(Fault.refuse(429))
    server.next(Fault.refuse(429, retry_after_s=7))

    said = []
    for _ in range(2):
        async with http.get(f"{server.base_url}/models") as response:
            said.append(response.headers["Retry-After"])

    assert said == ["1", "7"]


async def test_a_reset_connection_is_reset_not_closed(server: OpenAIStandIn) -> None:
    server.fault(Fault.reset())
    port = urlsplit(server.base_url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: stand-in\r\n\r\n")

    with pytest.raises(ConnectionResetError):
        await reader.read()

    writer.close()


async def test_a_slow_answer_arrives(server: OpenAIStandIn, http: aiohttp.ClientSession) -> None:
    server.next(Fault.slow(answer_s=0.05))

    assert await status_of(server, http) == 200


@pytest.mark.parametrize("make", [DeepgramStandIn, ElevenLabsStandIn, OpenAIStandIn])
async def test_hanging_requests_do_not_keep_a_server_open(
    make: Callable[[], StandIn], http: aiohttp.ClientSession
) -> None:
    async with make() as server:
        server.fault(Fault.half_open())
        waiting = [asyncio.create_task(http.get(server.base_url)) for _ in range(3)]
        await server.requested(3)

    ends = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(end, aiohttp.ClientError) for end in ends)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (DeepgramStandIn, Fault.silent_audio()),
        (DeepgramStandIn, Fault.garbage(Nonsense.NO_AUDIO)),
        (ElevenLabsStandIn, Fault.empty_text()),
        (OpenAIStandIn, Fault.reject("invalid_api_key")),
        (OpenAIStandIn, Fault.no_audio()),
    ],
)
def test_a_fault_unknown_to_the_provider_is_refused(
    make: Callable[[], StandIn], fault: Fault
) -> None:
    server = make()

    with pytest.raises(UnknownFault):
        server.fault(fault)
    with pytest.raises(UnknownFault):
        server.next(fault)


def test_faults_with_equal_arguments_are_equal() -> None:
    assert Fault.close(1011) == Fault.close()
    assert Fault.half_open() != Fault.half_open(after_messages=0)
    assert Fault.reset().kind is FaultKind.RESET


async def test_the_command_prints_the_variables_of_all_three_and_ends_on_ctrl_c() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.stand_ins",
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        await process.stderr.readuntil(b"Ctrl-C")
        process.send_signal(signal.SIGINT)
        printed = (await process.stdout.read()).decode()
    finally:
        if process.returncode is None and await process.wait() != 0:
            pytest.fail((await process.stderr.read()).decode())

    variables = {line.removeprefix("export ").partition("=")[0] for line in printed.splitlines()}
    assert variables == {
        "DEEPGRAM_API_KEY",
        "DEEPGRAM_BASE_URL",
        "ELEVENLABS_BASE_URL",
        "ELEVEN_API_KEY",
        "INTERVIEW_LLM",
        "INTERVIEW_STT",
        "INTERVIEW_TTS",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
    }
