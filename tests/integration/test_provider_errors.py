"""The errors of the real plugins for each fault, which the fallback chains rely on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError, APITimeoutError
from livekit.agents.stt import SpeechEventType

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai import OpenAIStandIn
from tests.support.database.provider_clients import (
    ONCE,
    ONCE_SOON,
    PHRASE,
    a_second_of_sound,
    chunks_of,
    deepgram_stt,
    elevenlabs_tts,
    hears,
    openai_llm,
    push,
    said,
    synthesized,
)

#: Uses one plugin once, under a fault.
Use: TypeAlias = Callable[[Fault, APIConnectOptions], Awaitable[None]]


async def listen(fault: Fault, options: APIConnectOptions) -> None:
    async with DeepgramStandIn(hear=hears("Hello.")) as server, deepgram_stt(server) as plugin:
        server.fault(fault)
        async with plugin.stream(conn_options=options) as stream:
            push(stream, PHRASE)
            async for event in stream:
                if event.type is SpeechEventType.FINAL_TRANSCRIPT:
                    return


async def speak(fault: Fault, options: APIConnectOptions) -> None:
    server = ElevenLabsStandIn(speak=a_second_of_sound)
    server.fault(fault)
    async with elevenlabs_tts(server) as tts:
        await said(tts, "Hello there.", options)


async def synthesize(fault: Fault, options: APIConnectOptions) -> None:
    server = ElevenLabsStandIn(speak=a_second_of_sound)
    server.fault(fault)
    async with elevenlabs_tts(server) as tts:
        await synthesized(tts, "Hello there.", options)


async def chat(fault: Fault, options: APIConnectOptions) -> None:
    async with OpenAIStandIn() as server, openai_llm(server) as model:
        server.fault(fault)
        await chunks_of(model, conn_options=options)


EVERY = pytest.mark.parametrize("use", [listen, speak, synthesize, chat])


@EVERY
async def test_a_healthy_provider_raises_nothing(use: Use) -> None:
    await use(Fault.slow(answer_s=0.01), ONCE)


@EVERY
@pytest.mark.parametrize(
    ("status", "retryable"), [(401, False), (402, False), (429, True), (500, True), (503, True)]
)
async def test_a_refusal_is_a_status_error(use: Use, status: int, retryable: bool) -> None:
    with pytest.raises(APIStatusError) as error:
        await use(Fault.refuse(status), ONCE)

    assert error.value.status_code == status
    assert error.value.retryable is retryable


@EVERY
async def test_a_reset_before_any_answer_is_a_connection_error(use: Use) -> None:
    with pytest.raises(APIConnectionError) as error:
        await use(Fault.reset(), ONCE)

    assert error.value.retryable


@pytest.mark.parametrize(
    ("use", "expected"),
    [(listen, APIConnectionError), (speak, APITimeoutError), (chat, APITimeoutError)],
)
async def test_a_request_without_an_answer_ends_after_the_plugins_timeout(
    use: Use, expected: type[Exception]
) -> None:
    """Except for `synthesize`: its limit is 30 s, whatever the timeout."""
    with pytest.raises(expected):
        await use(Fault.half_open(), ONCE_SOON)


async def test_a_websocket_that_falls_silent_is_a_status_error_without_a_status() -> None:
    with pytest.raises(APIStatusError) as error:
        await speak(Fault.half_open(after_messages=1), ONCE_SOON)

    assert error.value.status_code == -1
    assert isinstance(error.value.__cause__, APITimeoutError)


@pytest.mark.parametrize(("use", "status"), [(listen, 1006), (speak, 1006)])
async def test_a_websocket_that_is_reset_is_a_status_error(use: Use, status: int) -> None:
    with pytest.raises(APIStatusError) as error:
        await use(Fault.reset(after_messages=1), ONCE)

    assert error.value.status_code == status


async def test_the_plugin_retries_a_silent_deepgram_endlessly() -> None:
    """The plugin's base class counts an attempt that lasted the whole timeout as connected."""
    options = APIConnectOptions(max_retry=1, retry_interval=0.0, timeout=0.1)
    async with (
        DeepgramStandIn() as server,
        deepgram_stt(server) as plugin,
        plugin.stream(conn_options=options),
    ):
        server.fault(Fault.half_open())
        await server.requested(5)
