"""`LiveKitConnection`: a process's calls to a LiveKit server, on connections that are kept open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp
from livekit import api

from worker.env.proxies import proxy_for
from worker.livekit_api.calls import LiveKitCalls
from worker.livekit_api.errors import LiveKitUnreachable
from worker.livekit_api.one_call import CALL_TIMEOUT_S

#: Maximum number of calls at once, each on its own connection to the server. Further calls wait,
#: and the timeout of a call includes this wait.
MOST_CONNECTIONS: Final = 50
#: Seconds after which an idle connection is closed: less than the defaults of an AWS load balancer
#: (60 s) and of nginx (75 s), so that the worker closes a connection before they do.
IDLE_S: Final = 15.0
#: Seconds for which an address of the server's host name is used for new connections.
ADDRESS_S: Final = 10
#: Seconds after which all connections are replaced by new ones. Otherwise a connection in constant
#: use would keep an address that the host name no longer has.
RENEWED_S: Final = 300.0


class _KeptSession:
    """An aiohttp session, the number of calls that use it, and whether new calls may use it."""

    def __init__(self, proxy: str | None) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MOST_CONNECTIONS, keepalive_timeout=IDLE_S, ttl_dns_cache=ADDRESS_S
            ),
            timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S),
            # Ignore cookies: LiveKit needs none, and a cookie of a load balancer would send all
            # calls to one node.
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy,
        )
        self.calls = 0
        self.retired = False
        self._opened_s = asyncio.get_running_loop().time()
        #: LiveKit's client of the last call, with the URL, key and secret of the client.
        self._client: tuple[tuple[str, str, str], api.LiveKitAPI] | None = None

    @property
    def is_old(self) -> bool:
        """True if the connections are to be replaced by new ones."""
        return asyncio.get_running_loop().time() - self._opened_s >= RENEWED_S

    def client(self, url: str, key: str, secret: str) -> api.LiveKitAPI:
        """Return LiveKit's client for calls on this session.

        The client of the last call is used again, because a new client parses the URL once for each
        of its services.
        """
        access = (url, key, secret)
        if self._client is None or self._client[0] != access:
            self._client = access, api.LiveKitAPI(url, key, secret, session=self.session)
        return self._client[1]

    async def close_if_unused(self) -> None:
        """Close the connections if the session is retired and no call uses it."""
        if self.retired and not self.calls:
            await self.session.close()


class _Sessions:
    """Holds the session for new calls. A retired session stays open until its calls have ended."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(MOST_CONNECTIONS)
        self.closed = False
        #: Key and secret of every later call, as set by `use_key`; None for the key and secret of
        #: the connection.
        self.access: tuple[str, str] | None = None
        self._current: _KeptSession | None = None

    @asynccontextmanager
    async def session(self, url: str) -> AsyncIterator[_KeptSession]:
        """Yield the session for one call, and retire the session if the call's connection broke.

        `url` is the URL of the server. A new session uses the proxy for this URL.
        """
        if self._current is not None and self._current.is_old:
            await self._retire(self._current)
        # While an old session was closed, another call may have opened a new one.
        kept = self._current = self._current or _KeptSession(proxy_for(url))
        kept.calls += 1
        try:
            yield kept
        except (aiohttp.ClientConnectionError, asyncio.CancelledError):
            # CancelledError too, because a timeout cancels the call.
            self._give_to_no_other(kept)
            raise
        finally:
            kept.calls -= 1
            if self.closed:
                self._give_to_no_other(kept)
            await kept.close_if_unused()

    async def aclose(self) -> None:
        """Retire the session. No call may begin afterwards."""
        self.closed = True
        if self._current is not None:
            await self._retire(self._current)

    async def _retire(self, kept: _KeptSession) -> None:
        self._give_to_no_other(kept)
        await kept.close_if_unused()

    def _give_to_no_other(self, kept: _KeptSession) -> None:
        """Retire a session. The last call that uses the session closes it."""
        kept.retired = True
        if self._current is kept:
            self._current = None


@dataclass(frozen=True, repr=False)
class LiveKitConnection(LiveKitCalls):
    """Access to one LiveKit server over its HTTP API, for a process that makes many calls.

    The calls share connections, so most calls need no handshake. The first call opens the
    connections, which belong to the event loop of this call. Use a LiveKitConnection as an async
    context manager, or call `aclose`.

    If a call gets no answer or its connection breaks, the idle connections are closed too, because
    they may be dead as well, and the next call opens a new connection.
    """

    _sessions: _Sessions = field(default_factory=_Sessions, init=False, compare=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def use_key(self, key: str, secret: str) -> None:
        """Sign every call that begins later with this key."""
        self._sessions.access = (key, secret)

    async def aclose(self) -> None:
        """Close the idle connections. A connection in use closes at the end of its call.

        A call that begins later raises LiveKitUnreachable.
        """
        await self._sessions.aclose()

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[api.LiveKitAPI]:
        async with self._sessions.places:
            if self._sessions.closed:
                reason = "the worker has closed its connections"
                raise LiveKitUnreachable(self.url, reason=reason, budget_s=0.0)
            key, secret = self._sessions.access or (self.key, self.secret)
            async with self._sessions.session(self.url) as kept:
                yield kept.client(self.url, key, secret)
