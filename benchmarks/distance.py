"""A distance between workers and a database: a proxy process that adds a round trip.

    python -m benchmarks.distance ADDRESS near=1 far=60

listens on one port per zone, forwards each connection to ADDRESS (`host:port`, or the path of a
Unix socket), and delays both directions of a zone so that its round trip takes the given number of
milliseconds. It prints the ports as one line of JSON. Then it reads requests from standard input
(benchmarks/child.py), and ends with it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from benchmarks.child import Child, allow_many_connections, serve
from tests.support.relay import Address, Relay
from tests.support.wire import address_of, url_at


class Distance:
    """The proxy process, as the benchmark uses it. Use it as an async context manager.

    Args:
        database_url: The database's own URL.
        round_trips_ms: The round trip of each zone in milliseconds, by the zone's name.
    """

    def __init__(self, database_url: str, round_trips_ms: Mapping[str, float]) -> None:
        self._database_url = database_url
        self._round_trips_ms = round_trips_ms
        self._child: Child | None = None
        self._ports: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        zones = [f"{zone}={ms:g}" for zone, ms in self._round_trips_ms.items()]
        address = written(address_of(self._database_url))
        self._child = await Child.start("benchmarks.distance", address, *zones)
        self._ports = self._child.ready["ports"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    def url(self, zone: str) -> str:
        """Return the URL of the database for the workers of a zone."""
        return url_at(self._database_url, self._ports[zone])

    async def vanish(self, zone: str, *, within_chunks: int = 0, seed: int = 0) -> None:
        """Drop all packets of a zone, without closing a connection: see `Relay.vanish`."""
        await self._running.ask("vanish", zone=zone, within_chunks=within_chunks, seed=seed)

    async def use(self) -> dict[str, float]:
        """Return the proxy's use so far: `cpu_s` (processor time) and `connections` (open now)."""
        return await self._running.ask("use")

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("the distance is not entered")
        return self._child


class Zones:
    """The relays of the proxy process, one for each zone."""

    def __init__(self, relays: Mapping[str, Relay]) -> None:
        self._relays = relays

    async def vanish(self, zone: str, within_chunks: int, seed: int) -> Mapping[str, Any]:
        """Let a zone vanish."""
        self._relays[zone].vanish(within_chunks=within_chunks, seed=seed)
        return {}

    async def use(self) -> Mapping[str, Any]:
        """Return the processor time in seconds, and the number of open connections."""
        connections = sum(len(relay.links) for relay in self._relays.values())
        return {"cpu_s": time.process_time(), "connections": connections}


def written(address: Address) -> str:
    """Return an address as text: a path, or host and port."""
    return str(address) if isinstance(address, Path) else f"{address[0]}:{address[1]}"


def read_address(text: str) -> Address:
    """Read an address that `written` returned. Raises ValueError for any other text."""
    if text.startswith("/"):
        return Path(text)
    host, _, port = text.rpartition(":")
    return host, int(port)


async def main(address: Address, round_trips_ms: Mapping[str, float]) -> None:
    """Run the proxy until standard input ends."""
    allow_many_connections()
    relays = {zone: Relay(address, delay_s=ms / 2000) for zone, ms in round_trips_ms.items()}
    for relay in relays.values():
        await relay.start()
    zones = Zones(relays)
    try:
        await serve(
            {"vanish": zones.vanish, "use": zones.use},
            ready={"ports": {zone: relay.port for zone, relay in relays.items()}},
        )
    finally:
        for relay in relays.values():
            await relay.aclose()


if __name__ == "__main__":
    _, to, *pairs = sys.argv
    named = dict(pair.split("=", 1) for pair in pairs)
    asyncio.run(main(read_address(to), {zone: float(ms) for zone, ms in named.items()}))
