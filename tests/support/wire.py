"""A proxy in the process of a test that counts the round trips to a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.relay import HOST, Relay

if TYPE_CHECKING:
    from tests.support.relay import Address


def address_of(url: str) -> Address:
    """Return the address of the server that a PostgreSQL URL names.

    Raises ValueError if the URL names no single host.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    host, port = query.get("host") or parts.hostname, query.get("port") or parts.port or 5432
    if host is None or "," in host:
        raise ValueError("the database URL must name one host")
    return Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else (host, int(port))


def url_at(url: str, port: int) -> str:
    """Return a PostgreSQL URL with another address: a port of this machine, over TCP."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    query = [each for each in parse_qsl(parts.query) if each[0] not in ("host", "port")]
    netloc = f"{user}{at}{HOST}:{port}"
    return parts._replace(netloc=netloc, query=urlencode(query)).geturl()


class CountingProxy:
    """Counts the round trips between clients and a database, for a test.

    A round trip is a turnaround of a connection: the client sends something after it has received
    an answer, or as the first message. Use it as an async context manager. Connect to `url`.

    Args:
        url: The database's own URL.
        delay_s: Seconds by which each direction is delayed: half of the round trip.
    """

    def __init__(self, url: str, *, delay_s: float = 0.0) -> None:
        self._server_url = url
        self._delay_s = delay_s
        self._relay: Relay | None = None

    async def __aenter__(self) -> Self:
        self._relay = Relay(address_of(self._server_url), delay_s=self._delay_s)
        await self._relay.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    @property
    def url(self) -> str:
        """The URL of the same database through this proxy."""
        return url_at(self._server_url, self._opened.port)

    @property
    def round_trips(self) -> int:
        """The number of round trips of all connections since the start or `reset`."""
        return self._opened.round_trips

    @property
    def round_trips_of_each(self) -> list[int]:
        """The number of round trips of each open connection, in the order of their beginning."""
        return [link.round_trips for link in self._opened.links]

    def reset(self) -> None:
        """Count from zero again."""
        self._opened.reset()

    def delay(self, seconds: float) -> None:
        """Delay each direction by `seconds` from now on, in the order of arrival."""
        self._opened.line.delay_s = seconds

    @property
    def _opened(self) -> Relay:
        if self._relay is None:
            raise RuntimeError("the proxy is not entered")
        return self._relay
