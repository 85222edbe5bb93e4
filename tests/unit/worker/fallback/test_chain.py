"""The order, cooldown and reported conditions of a chain's providers."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError

from states import Condition, Status
from tests.support.virtual.provider_fakes import Closable, chain_of, in_turn
from worker.fallback.backoff import REST_S
from worker.fallback.chain import ProviderChain
from worker.fallback.failure import failure_of

pytestmark = pytest.mark.looptime


def status(number: int, *, code: str | None = None) -> APIStatusError:
    body = {"code": code} if code else None
    return APIStatusError("Ada said: hello", status_code=number, body=body)


def names(chain: ProviderChain[Closable]) -> list[str]:
    return [name for name, _ in chain.candidates()]


def conditions_of(chain: ProviderChain[Closable]) -> list[Condition]:
    said: list[Condition] = []
    chain.on_change = said.append
    return said


@pytest.mark.parametrize(
    ("error", "reason", "for_good"),
    [
        (status(401), "KeyRefused", True),
        (status(402), "PaymentRequired", True),
        (status(403), "KeyRefused", True),
        (status(404), "NotFound", True),
        (status(400), "RequestRefused", True),
        (status(1008), "RequestRefused", True),
        (status(429), "RateLimited", False),
        (status(429, code="rate_limit_exceeded"), "RateLimited", False),
        (status(429, code="insufficient_quota"), "PaymentRequired", True),
        (status(-1), "ProviderFailed", False),
        (status(1006), "ProviderFailed", False),
        (status(500), "ProviderFailed", False),
        (status(503), "ProviderFailed", False),
        (APITimeoutError(), "ProviderTimeout", False),
        (TimeoutError(), "ProviderTimeout", False),
        (APIConnectionError(), "ProviderAway", False),
        (APIError("x"), "ProviderFailed", False),
        (ValueError("the key is sk-secret"), "ValueError", False),
    ],
)
async def test_a_failure_has_a_one_word_reason_and_is_temporary_or_permanent(
    error: Exception, reason: str, for_good: bool
) -> None:
    assert failure_of(error).reason == reason
    assert failure_of(error).for_good is for_good


async def test_a_chain_without_providers_is_refused() -> None:
    with pytest.raises(ValueError, match="stt"):
        ProviderChain("stt", [])


async def test_providers_are_tried_in_chain_order_and_created_when_tried() -> None:
    made: list[str] = []

    def maker(name: str) -> object:
        def make() -> Closable:
            made.append(name)
            return Closable()

        return make

    chain = chain_of("tts", first=maker("first"), second=maker("second"))
    asked = chain.candidates()

    assert made == []
    assert next(asked)[0] == "first"
    assert made == ["first"]
    assert next(asked)[0] == "second"
    assert names(chain) == ["first", "second"]
    assert made == ["first", "second"]


async def test_a_provider_that_cools_down_is_tried_last_and_first_again_afterwards() -> None:
    chain = chain_of("tts", first=Closable(), second=Closable())

    chain.failed("first", status(503))
    assert names(chain) == ["second", "first"]

    await asyncio.sleep(REST_S)
    assert names(chain) == ["first", "second"]


async def test_a_permanently_failed_provider_is_never_tried_again() -> None:
    chain = chain_of("tts", first=Closable(), second=Closable())

    chain.failed("first", status(401))
    await asyncio.sleep(100 * REST_S)

    assert names(chain) == ["second"]


@pytest.mark.parametrize("code", [400, 422, 1008])
async def test_a_refused_request_does_not_disable_a_provider_that_has_delivered(code: int) -> None:
    chain = chain_of("tts", first=Closable(), second=Closable())
    chain.served("first")

    chain.failed("first", status(code))
    await asyncio.sleep(2 * REST_S)

    assert "first" in names(chain)


@pytest.mark.row("S6")
async def test_a_provider_that_cannot_be_created_is_skipped_and_created_later() -> None:
    constructor = in_turn(ValueError("no"), None)
    chain = chain_of("tts", first=lambda: constructor() or Closable(), second=Closable())

    assert names(chain) == ["second"]
    assert names(chain) == ["second", "first"]


async def test_the_first_choice_serving_is_not_reported() -> None:
    chain = chain_of("tts", first=Closable(), second=Closable())
    said = conditions_of(chain)

    chain.served("first")
    chain.served("first")

    assert said == []


async def test_a_serving_fallback_is_reported_once_with_the_reason() -> None:
    chain = chain_of("tts", first=Closable(), second=Closable())
    said = conditions_of(chain)

    chain.failed("first", status(402))
    chain.served("second")
    chain.served("second")

    assert [(c.status, c.reason, c.message) for c in said] == [
        (Status.READY, "Fallback", "second serves; first: PaymentRequired")
    ]


async def test_a_resource_is_lost_when_its_last_provider_fails_and_ready_when_any_serves() -> None:
    chain = chain_of("tts", first=Closable(), second=Closable())
    said = conditions_of(chain)

    chain.failed("first", status(503))
    chain.failed("second", APIConnectionError())
    chain.failed("second", APIConnectionError())
    chain.served("first")

    assert [(c.resource, c.status, c.reason) for c in said] == [
        ("tts", Status.LOST, "NoProviderLeft"),
        ("tts", Status.READY, "Loaded"),
    ]
    assert said[0].message == "first: ProviderFailed; second: ProviderAway"


async def test_a_providers_error_text_reaches_neither_conditions_nor_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chain = chain_of("tts", first=Closable())
    said = conditions_of(chain)

    chain.failed("first", status(500))

    assert "Ada" not in caplog.text + said[0].message


async def test_closing_closes_every_created_provider_even_if_one_raises() -> None:
    class Broken(Closable):
        async def aclose(self) -> None:
            raise RuntimeError("closing")

    first, never = Closable(), Closable()
    chain = chain_of("tts", first=first, broken=Broken(), never=never)
    asked = chain.candidates()
    next(asked)
    next(asked)

    with pytest.raises(RuntimeError):
        await chain.aclose()

    assert first.closed
    assert not never.closed


async def test_a_provider_is_replaced_by_a_new_instance_and_the_old_one_is_closed() -> None:
    made: list[Closable] = []

    def make() -> Closable:
        made.append(Closable())
        return made[-1]

    chain = chain_of("tts", elevenlabs=make, local=Closable)
    next(chain.candidates())
    chain.remake("elevenlabs")
    chain.remake("local")  # which was never made

    assert chain.engine is None
    assert next(chain.candidates()) == ("elevenlabs", made[1])
    assert chain.is_fresh("elevenlabs"), "the new instance has no failure"
    await chain.aclose()
    assert [engine.closed for engine in made] == [True, True]


async def test_an_old_instance_that_does_not_close_delays_nothing() -> None:
    class Unclosing(Closable):
        async def aclose(self) -> None:
            await asyncio.Event().wait()

    chain = chain_of("tts", elevenlabs=Unclosing)
    next(chain.candidates())
    chain.remake("elevenlabs")

    async with asyncio.timeout(1):
        await chain.aclose()
