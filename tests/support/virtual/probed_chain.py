"""Fallback chain, on virtual time, whose first provider is in the cloud and can be probed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from livekit.agents import APIConnectionError, APIStatusError

from tests.support.virtual.provider_fakes import Closable
from worker.fallback.chain import ProviderChain
from worker.fallback.shared_breaker import SharedBreaker

AWAY = APIConnectionError()
KEY_REFUSED = APIStatusError("no", status_code=401)
TOO_MANY = APIStatusError("no", status_code=429)


class Provider:
    """Cloud provider that fails while `error` is set, and records the times of its probes."""

    def __init__(self) -> None:
        self.error: BaseException | None = AWAY
        self.probed_at: list[float] = []

    async def probe(self) -> None:
        self.probed_at.append(asyncio.get_running_loop().time())
        if self.error is not None:
            raise self.error


def clock() -> float:
    """Return the virtual wall-clock time."""
    return 1_000_000 + asyncio.get_running_loop().time()


@asynccontextmanager
async def a_chain(
    provider: Provider, folder: Path | None = None
) -> AsyncIterator[ProviderChain[Any]]:
    """Yield a chain of `cloud`, which has a probe, and `local`."""
    chain: ProviderChain[Any] = ProviderChain(
        "stt",
        [("cloud", Closable), ("local", Closable)],
        probes={"cloud": provider.probe},
        breaker=None if folder is None else SharedBreaker(folder, clock=clock),
    )
    yield chain
    await chain.aclose()


def names(chain: ProviderChain[Any]) -> list[str]:
    return [name for name, _ in chain.candidates()]
