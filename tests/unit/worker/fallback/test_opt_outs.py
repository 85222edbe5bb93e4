"""Providers that are asked to keep no data, and accounts that refuse this."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from livekit.agents import APIConnectionError, APIStatusError

from tests.support.virtual.provider_fakes import Closable
from worker.fallback.chain import ProviderChain
from worker.fallback.opt_outs import OptOutRecords
from worker.fallback.shared_breaker import SharedBreaker

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

REFUSED = APIStatusError("no", status_code=403)


class Engine(Closable):
    """A plugin instance that asks its provider to keep no data, or does not."""

    def __init__(self, *, asks: bool) -> None:
        self.asks = asks


def a_chain(breaker: SharedBreaker | None = None) -> ProviderChain[Engine]:
    return ProviderChain(
        "tts",
        [
            ("cloud", lambda: Engine(asks=True)),
            ("local", lambda: Engine(asks=False)),
        ],
        breaker=breaker,
        without_opt_out={"cloud": lambda: Engine(asks=False)},
    )


def asked(chain: ProviderChain[Engine]) -> list[tuple[str, bool]]:
    return [(name, engine.asks) for name, engine in chain.candidates()]


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "event", "") for record in caplog.records]


async def test_a_provider_is_asked_to_keep_nothing() -> None:
    chain = a_chain()
    assert asked(chain) == [("cloud", True), ("local", False)]
    chain.served("cloud")
    assert asked(chain) == [("cloud", True), ("local", False)]
    await chain.aclose()


@pytest.mark.parametrize("status", [400, 401, 403, 422, 1008])
async def test_a_provider_that_refuses_it_serves_the_same_request_without_it(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    chain = a_chain()
    order: list[tuple[str, bool]] = []
    with caplog.at_level(logging.INFO):
        for name, engine in chain.candidates():
            order.append((name, engine.asks))
            if engine.asks:
                chain.failed(name, APIStatusError("no", status_code=status), engine=engine)
            else:
                chain.served(name)
                break
    assert order == [("cloud", True), ("cloud", False)]
    assert chain.is_fresh("cloud")
    assert events(caplog) == ["provider_opt_out_dropped", "provider_opt_out_refused"]
    assert asked(chain)[0] == ("cloud", False)
    await chain.aclose()


async def test_a_refused_key_is_asked_once_more_and_then_not_again() -> None:
    chain = a_chain()
    order: list[tuple[str, bool]] = []
    faults: list[tuple[str, str]] = []
    chain.on_fault = lambda name, reason: faults.append((name, reason))
    for name, engine in chain.candidates():
        order.append((name, engine.asks))
        if name == "cloud":
            chain.failed(name, APIStatusError("no", status_code=401), engine=engine)
    assert order == [("cloud", True), ("cloud", False), ("local", False)]
    assert faults == [("cloud", "KeyRefused")]
    assert asked(chain) == [("local", False)]
    await chain.aclose()


@pytest.mark.parametrize(
    "error",
    [APIConnectionError(), TimeoutError(), APIStatusError("no", status_code=402)],
    ids=["away", "late", "no credit"],
)
async def test_another_failure_does_not_drop_the_request(error: Exception) -> None:
    chain = a_chain()
    order = []
    for name, engine in chain.candidates():
        order.append(name)
        if name == "cloud":
            chain.failed(name, error, engine=engine)
    assert order == ["cloud", "local"]
    await chain.aclose()


async def test_a_provider_that_has_accepted_it_never_works_without_it() -> None:
    chain = a_chain()
    _, engine = next(chain.candidates())
    chain.served("cloud")
    chain.failed("cloud", REFUSED, engine=engine)
    assert not chain.is_fresh("cloud")
    assert ("cloud", False) not in asked(chain)
    await chain.aclose()


async def test_a_second_refusal_of_an_earlier_request_changes_nothing() -> None:
    """Two requests were under way when the first one was refused."""
    chain = a_chain()
    _, engine = next(chain.candidates())
    assert chain.failed("cloud", REFUSED, engine=engine)
    assert chain.failed("cloud", REFUSED, engine=engine)
    assert asked(chain)[0] == ("cloud", False)
    assert chain.failed("cloud", REFUSED, engine=engine)
    assert chain.is_fresh("cloud")
    await chain.aclose()


async def test_the_plugin_instance_that_asked_is_closed() -> None:
    chain = a_chain()
    _, engine = next(chain.candidates())
    chain.failed("cloud", REFUSED, engine=engine)
    await chain.aclose()
    assert engine.closed


async def test_the_other_jobs_learn_of_a_refusal_for_a_day(tmp_path: Path) -> None:
    now = [1_000_000.0]

    def breaker() -> SharedBreaker:
        return SharedBreaker(tmp_path, clock=lambda: now[0])

    first = a_chain(breaker())
    _, engine = next(first.candidates())
    first.failed("cloud", REFUSED, engine=engine)
    assert asked(a_chain(breaker()))[0] == ("cloud", True)  # the key may have been refused
    first.served("cloud")
    assert OptOutRecords("tts", breaker()).is_refused("cloud")
    assert asked(a_chain(breaker()))[0] == ("cloud", False)
    now[0] += 86_399
    assert asked(a_chain(breaker()))[0] == ("cloud", False)
    now[0] += 2
    later = a_chain(breaker())
    assert asked(later)[0] == ("cloud", True)
    later.served("cloud")
    assert not OptOutRecords("tts", breaker()).is_refused("cloud")
    assert not OptOutRecords("stt", breaker()).is_refused("cloud")
    for chain in (first, later):
        await chain.aclose()


async def test_speech_that_is_prepared_tells_whether_the_request_was_accepted(
    tmp_path: Path,
) -> None:
    chain = a_chain(SharedBreaker(tmp_path))
    _, engine = next(chain.candidates())
    chain.failed("cloud", REFUSED, engine=engine)
    chain.delivered("cloud")
    assert OptOutRecords("tts", SharedBreaker(tmp_path)).is_refused("cloud")
    assert chain.serving == "cloud"
    await chain.aclose()
