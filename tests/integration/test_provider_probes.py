"""Recovery probes of providers, on local test servers: without audio and free of charge."""

from __future__ import annotations

from typing import TypeAlias

import aiohttp
import pytest

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai import OpenAIStandIn
from worker.fallback.failure import ProbeFailed, failure_of
from worker.fallback.probe import Probe
from worker.providers.deepgram.plugin import deepgram_probe
from worker.providers.elevenlabs.plugin import elevenlabs_probe
from worker.providers.openai.plugin import openai_probe

Server: TypeAlias = DeepgramStandIn | ElevenLabsStandIn | OpenAIStandIn

PROBES = {
    DeepgramStandIn: deepgram_probe,
    ElevenLabsStandIn: elevenlabs_probe,
    OpenAIStandIn: openai_probe,
}

EVERY = pytest.mark.parametrize("kind", list(PROBES), ids=lambda kind: kind.provider)


def probe_of(server: Server, key: str = "") -> Probe:
    return PROBES[type(server)](server.base_url, key or server.key)


@EVERY
async def test_an_available_provider_passes_the_probe(kind: type[Server]) -> None:
    async with kind() as server:
        await probe_of(server)()

        assert [request.method for request in server.requests] == ["GET"]


@EVERY
async def test_a_refused_key_is_detected(kind: type[Server]) -> None:
    async with kind() as server:
        with pytest.raises(ProbeFailed) as error:
            await probe_of(server, "another-key")()

    assert failure_of(error.value).for_good
    assert failure_of(error.value).reason == "KeyRefused"


@EVERY
@pytest.mark.parametrize("status", [402, 429, 500, 503])
async def test_an_error_status_fails_the_probe(kind: type[Server], status: int) -> None:
    async with kind() as server:
        server.fault(Fault.refuse(status, retry_after_s=7 if status == 429 else None))
        with pytest.raises(ProbeFailed) as error:
            await probe_of(server)()

    assert error.value.status == status
    assert error.value.retry_after_s == (7 if status == 429 else None)
    assert failure_of(error.value).for_good is (status == 402)


@EVERY
@pytest.mark.parametrize("status", [403, 404])
async def test_a_provider_that_refuses_the_listing_still_passes_the_probe(
    kind: type[Server], status: int
) -> None:
    async with kind() as server:
        server.fault(Fault.refuse(status))
        await probe_of(server)()


async def test_an_elevenlabs_key_limited_to_speech_passes_the_probe() -> None:
    async with ElevenLabsStandIn() as server:
        server.fault(Fault.refuse(401, code="missing_permissions"))
        await probe_of(server)()


@EVERY
async def test_a_reset_connection_is_a_temporary_failure(kind: type[Server]) -> None:
    async with kind() as server:
        server.fault(Fault.reset())
        with pytest.raises(aiohttp.ClientError) as error:
            await probe_of(server)()

    assert failure_of(error.value).reason == "ProviderAway"


async def test_a_websocket_address_is_probed_over_http() -> None:
    async with DeepgramStandIn() as server:
        await deepgram_probe(server.base_url.replace("http:", "ws:"), server.key)()

        assert server.requests[0].path == "/v1/projects"
