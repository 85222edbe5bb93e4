"""The recovery of a failed provider."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from livekit.agents import APIStatusError

from tests.support.virtual.probed_chain import AWAY, TOO_MANY, Provider, a_chain, names
from tests.support.virtual.provider_fakes import Closable
from worker.fallback.backoff import Backoff
from worker.fallback.chain import ProviderChain
from worker.fallback.failure import ProbeFailed, failure_of, retry_after

pytestmark = pytest.mark.looptime


# --- cooldown and probes ----------------------------------------------------------------------


async def test_an_unavailable_provider_is_probed_with_pauses_growing_to_30_seconds() -> None:
    provider = Provider()
    async with a_chain(provider) as chain:
        chain.failed("cloud", AWAY)
        await asyncio.sleep(200)

    moments = [0.0, *provider.probed_at]
    pauses = [after - before for before, after in pairwise(moments)]
    for pause_s, longest_s in zip(pauses, [1, 2, 4, 8, 16, 30, 30, 30], strict=False):
        assert longest_s / 2 - 0.01 <= pause_s <= longest_s + 0.01
    assert len(pauses) > 7


async def test_a_provider_is_tried_first_again_once_its_probe_succeeds() -> None:
    provider = Provider()
    async with a_chain(provider) as chain:
        woken: list[str] = []
        chain.on_recovered.add(lambda: woken.append("woken"))
        chain.failed("cloud", AWAY)
        await asyncio.sleep(10)
        assert names(chain) == ["local", "cloud"]
        assert not chain.has_better("local")

        provider.error = None
        await asyncio.sleep(16)

        assert names(chain) == ["cloud", "local"]
        assert chain.has_better("local")
        assert woken == ["woken"]


async def test_a_hanging_probe_counts_as_failed() -> None:
    async def hangs() -> None:
        started.append(asyncio.get_running_loop().time())
        await asyncio.Event().wait()

    started: list[float] = []
    chain: ProviderChain[Any] = ProviderChain("stt", [("cloud", Closable)], probes={"cloud": hangs})
    chain.failed("cloud", AWAY)
    await asyncio.sleep(30)
    await chain.aclose()

    assert len(started) > 2


async def test_relapses_lengthen_the_cooldown_and_steady_service_resets_it() -> None:
    rest = Backoff(jitter=0.0)
    now = 100.0
    rests = []
    for _ in range(6):
        seconds = rest.after_failure(now, was_resting=False)
        rests.append(seconds)
        now += seconds
        rest.came_back(now)
        now += 10  # it serves for 10 s

    assert rests == [1, 4, 16, 64, 256, 300]
    assert rest.after_failure(now + 60, was_resting=False) == 1


async def test_two_streams_with_the_same_failure_start_one_cooldown() -> None:
    rest = Backoff(jitter=0.0)

    assert rest.after_failure(5.0, was_resting=False) == 1
    assert rest.after_failure(5.1, was_resting=True) == 1
    assert rest.after_failure(9.0, was_resting=True) == 2


async def test_a_retry_after_header_of_the_probe_is_respected() -> None:
    provider = Provider()
    provider.error = ProbeFailed(429, retry_after_s=50.0)
    async with a_chain(provider) as chain:
        chain.failed("cloud", TOO_MANY)
        await asyncio.sleep(50)
        assert len(provider.probed_at) == 1
        await asyncio.sleep(2)
        assert len(provider.probed_at) == 2


async def test_a_key_refused_by_the_probe_disables_the_provider_permanently() -> None:
    provider = Provider()
    provider.error = ProbeFailed(401)
    async with a_chain(provider) as chain:
        chain.failed("cloud", AWAY)
        await asyncio.sleep(2)
        assert names(chain) == ["local"]
        await asyncio.sleep(1000)

    assert len(provider.probed_at) == 1


async def test_a_provider_that_serves_during_its_cooldown_is_no_longer_probed() -> None:
    provider = Provider()
    async with a_chain(provider) as chain:
        chain.failed("cloud", AWAY)
        chain.served("cloud")
        await asyncio.sleep(100)

    assert provider.probed_at == []


async def test_closing_ends_a_hanging_probe() -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    chain: ProviderChain[Any] = ProviderChain("stt", [("cloud", Closable)], probes={"cloud": hangs})
    chain.failed("cloud", AWAY)
    await asyncio.sleep(2)

    await chain.aclose()


async def test_each_new_failure_reason_is_reported_once() -> None:
    async with a_chain(Provider()) as chain:
        told: list[tuple[str, str]] = []
        chain.on_fault = lambda name, reason: told.append((name, reason))

        chain.failed("cloud", AWAY)
        chain.failed("cloud", AWAY)
        chain.failed("cloud", TOO_MANY)

    assert told == [("cloud", "ProviderAway"), ("cloud", "RateLimited")]


# --- Retry-After in the response --------------------------------------------------------------


class Answer(Exception):
    """An error like those of httpx and openai, which hold the response."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.response = type("Response", (), {"headers": headers})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("100000", 3600.0),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_a_retry_after_header_gives_seconds_or_none(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-AFTER": value}) == seconds


def test_a_retry_after_header_may_be_a_date() -> None:
    assert retry_after({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}) == 3600.0


def test_a_retry_after_header_is_found_in_the_cause_of_a_plugin_error() -> None:
    error = APIStatusError("no", status_code=429)
    error.__cause__ = Answer({"Retry-After": "9"})

    assert failure_of(error).retry_after_s == 9.0


def test_an_http_client_error_means_an_unavailable_provider() -> None:
    assert failure_of(aiohttp.ServerDisconnectedError()).reason == "ProviderAway"
