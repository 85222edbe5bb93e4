"""A chain whose first member is in the cloud and can be probed, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from livekit.agents import APIConnectionError, APIStatusError

from tests.support.virtual.provider_fakes import Closable
from worker.providers.breaker import Breaker
from worker.providers.chain import ProviderChain

AWAY = APIConnectionError()
KEY_REFUSED = APIStatusError("no", status_code=401)
TOO_MANY = APIStatusError("no", status_code=429)


class Provider:
    """A cloud provider that is away for as long as a test says, and counts its probes."""

    def __init__(self) -> None:
        self.error: BaseException | None = AWAY
        self.probed_at: list[float] = []

    async def probe(self) -> None:
        self.probed_at.append(asyncio.get_running_loop().time())
        if self.error is not None:
            raise self.error


def clock() -> float:
    """Virtual wall-clock time."""
    return 1_000_000 + asyncio.get_running_loop().time()


@asynccontextmanager
async def a_chain(
    provider: Provider, folder: Path | None = None
) -> AsyncIterator[ProviderChain[Any]]:
    """A chain of `cloud`, which has a probe, and `local`."""
    chain: ProviderChain[Any] = ProviderChain(
        "stt",
        [("cloud", Closable), ("local", Closable)],
        probes={"cloud": provider.probe},
        breaker=None if folder is None else Breaker(folder, clock=clock),
    )
    yield chain
    await chain.aclose()


def names(chain: ProviderChain[Any]) -> list[str]:
    return [name for name, _ in chain.candidates()]
