"""Unusual paths of a provider through the states of its chain."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from states import Condition, Status
from tests.support.virtual.probed_chain import AWAY, KEY_REFUSED, Provider, a_chain, clock, names
from tests.support.virtual.provider_fakes import Closable, chain_of, in_turn
from worker.fallback.chain import ProviderChain
from worker.fallback.shared_breaker import BreakerRecord, SharedBreaker

pytestmark = pytest.mark.looptime


def conditions_of(chain: ProviderChain[Any]) -> list[Condition]:
    said: list[Condition] = []
    chain.on_change = said.append
    return said


async def test_a_provider_whose_cooldown_is_over_still_counts_as_failed_until_it_serves() -> None:
    chain = chain_of("tts", first=Closable(), second=Closable())
    said = conditions_of(chain)
    chain.failed("first", AWAY)
    await asyncio.sleep(2.0)

    assert names(chain) == ["first", "second"]
    assert chain.has_better("second")
    assert not chain.is_fresh("first")
    chain.failed("second", AWAY)
    assert [condition.status for condition in said] == [Status.LOST]
    chain.served("first")
    assert chain.is_fresh("first")


@pytest.mark.parametrize("waited_s", [0.0, 2.0])
async def test_a_resource_is_ready_when_its_only_provider_is_created(waited_s: float) -> None:
    constructor = in_turn(OSError("no"), None)
    chain = chain_of("tts", only=lambda: constructor() or Closable())
    said = conditions_of(chain)

    assert names(chain) == []
    await asyncio.sleep(waited_s)
    assert names(chain) == ["only"]

    assert [condition.status for condition in said] == [Status.LOST, Status.READY]
    assert chain.is_fresh("only")


async def test_a_provider_that_works_elsewhere_is_ready_here_once_it_is_created(
    tmp_path: Path,
) -> None:
    constructor = in_turn(OSError("no"), None)
    provider = Provider()

    def make() -> Closable:
        if (error := constructor()) is not None:
            raise error
        return Closable()

    chain: ProviderChain[Any] = ProviderChain(
        "stt",
        [("cloud", make)],
        probes={"cloud": provider.probe},
        breaker=SharedBreaker(tmp_path, clock=clock),
    )
    said = conditions_of(chain)
    assert names(chain) == []
    recovered = BreakerRecord(reason="Recovered", since=clock())
    SharedBreaker(tmp_path, clock=clock).write("stt", "cloud", recovered)

    assert names(chain) == ["cloud"]

    assert [condition.status for condition in said] == [Status.LOST, Status.READY]
    assert provider.probed_at == []
    await chain.aclose()


async def test_a_provider_that_is_created_while_it_is_away_elsewhere_ends_the_loss(
    tmp_path: Path,
) -> None:
    constructor = in_turn(OSError("no"), None)

    def make() -> Closable:
        if (error := constructor()) is not None:
            raise error
        return Closable()

    elsewhere = SharedBreaker(tmp_path, clock=clock)
    chain: ProviderChain[Any] = ProviderChain(
        "stt",
        [("cloud", make)],
        probes={"cloud": Provider().probe},
        breaker=SharedBreaker(tmp_path, clock=clock),
    )
    said = conditions_of(chain)
    assert names(chain) == []
    elsewhere.write("stt", "cloud", BreakerRecord(reason="Recovered", since=clock()))
    assert not chain.has_better("cloud")  # this reads the report
    elsewhere.write(
        "stt", "cloud", BreakerRecord(reason="ProviderAway", since=clock(), until=clock() + 60)
    )
    assert names(chain) == ["cloud"]
    assert [condition.status for condition in said] == [Status.LOST, Status.READY]
    await chain.aclose()


async def test_a_disabled_provider_that_still_serves_is_tried_again() -> None:
    """One stream may be refused while another stream of the same provider still works."""
    chain = chain_of("tts", first=Closable(), second=Closable())
    chain.failed("first", KEY_REFUSED)
    assert names(chain) == ["second"]

    chain.served("first")

    assert names(chain) == ["first", "second"]
    assert chain.is_fresh("first")


async def test_a_disabled_provider_stays_disabled_whatever_other_jobs_report(
    tmp_path: Path,
) -> None:
    provider = Provider()
    provider.error = None
    async with a_chain(provider, tmp_path) as chain, a_chain(provider, tmp_path) as other:
        chain.failed("cloud", KEY_REFUSED)
        other.failed("cloud", AWAY)
        other.served("cloud")

        assert names(chain) == ["local"]
        await asyncio.sleep(100)
        assert names(chain) == ["local"]
        assert provider.probed_at == []


async def test_a_provider_that_is_disabled_during_its_probe_stays_disabled() -> None:
    async def slow() -> None:
        await asyncio.sleep(2.0)
        probed.append("cloud")

    probed: list[str] = []
    members = [("cloud", Closable), ("local", Closable)]
    chain: ProviderChain[Any] = ProviderChain("stt", members, probes={"cloud": slow})
    told: list[str] = []
    chain.on_recovered.add(lambda: told.append("recovered"))
    chain.failed("cloud", AWAY)
    await asyncio.sleep(1.5)  # the probe has begun
    chain.failed("cloud", KEY_REFUSED)
    await asyncio.sleep(100)

    assert (probed, told) == (["cloud"], [])
    assert names(chain) == ["local"]
    await chain.aclose()


async def test_a_closed_chain_starts_no_cooldown_that_outlives_it() -> None:
    provider = Provider()
    async with a_chain(provider) as chain:
        pass

    chain.failed("cloud", AWAY)
    assert names(chain) == ["local", "cloud"]
    await asyncio.sleep(100)
    assert provider.probed_at == []
    await chain.aclose()
