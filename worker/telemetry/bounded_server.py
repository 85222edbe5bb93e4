"""An HTTP server that no client can occupy: all times, sizes and numbers have a limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aiohttp import web

logger = logging.getLogger(__name__)

#: Silent logger for aiohttp: its lines about a request that it cannot read quote the request, which
#: anybody may send. The errors of handlers are logged here instead.
_SILENT: Final = logging.getLogger(f"{__name__}.aiohttp")
_SILENT.setLevel(logging.CRITICAL)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Maximum seconds that the server waits for pending responses while it closes.
_CLOSE_S: Final = 1.0
#: Maximum number of connections that the system holds until the server accepts them.
_BACKLOG: Final = 32


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """The limits of one server.

    With the defaults, the heads of all requests together take at most 41 MB: 100 connections with
    50 headers of 8 KiB each.
    """

    #: Seconds until the head of a request is complete, counted from the connection or from the
    #: response before. An idle connection is closed after the same time.
    head_s: float = 20.0
    #: Seconds from the complete head until the response is sent, the body of the request included.
    answer_s: float = 20.0
    #: Seconds for which the rest of a body that no handler wants is read and dropped.
    linger_s: float = 1.0
    #: Maximum size of a body in bytes.
    body_bytes: int = 1 << 20
    #: Maximum length in bytes of the request line, and of each header.
    line_bytes: int = 8190
    #: Maximum number of headers.
    headers: int = 50
    #: Number of open connections beyond which new ones are closed at once. Of connections that come
    #: in the same instant, up to `_BACKLOG` more are accepted.
    connections: int = 100


class BoundedServer:
    """Serves routes on one address until `aclose`, within limits.

    Args:
        routes: The routes to serve.
        middlewares: Middlewares of aiohttp, the outermost first. They run inside the limits.
        limits: The limits.
    """

    def __init__(
        self,
        routes: Sequence[web.RouteDef],
        *,
        middlewares: Sequence[Any] = (),
        limits: HttpLimits | None = None,
    ) -> None:
        self._routes = routes
        self._middlewares = middlewares
        self._limits = limits or HttpLimits()
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Start to serve on a host and port; return the port. Raises OSError if binding fails."""
        limits = self._limits
        app = web.Application(
            middlewares=[self._in_time, *self._middlewares], client_max_size=limits.body_bytes
        )
        app.add_routes(self._routes)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_SILENT,
            shutdown_timeout=_CLOSE_S,
            # aiohttp closes a connection after this time unless a whole head has arrived.
            keepalive_timeout=limits.head_s,
            lingering_time=limits.linger_s,
            max_line_size=limits.line_bytes,
            max_field_size=limits.line_bytes,
            max_headers=limits.headers,
            # A small compressed body may be a huge one.
            auto_decompress=False,
        )
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(self._accept, host, port, backlog=_BACKLOG)
        except OSError:
            await self.aclose()
            raise
        bound: int = self._listening.sockets[0].getsockname()[1]
        return bound

    async def aclose(self) -> None:
        """Stop the server. Responses that are being sent get `_CLOSE_S` seconds."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _accept(self) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection."""
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= self._limits.connections:
            return _Refusal()
        return server()

    @web.middleware
    async def _in_time(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Send the response here, so that the time limit covers a client that does not read it."""
        answer: web.StreamResponse = web.Response(status=503)
        try:
            async with asyncio.timeout(self._limits.answer_s):
                answer = await handler(request)
                await answer.prepare(request)
                await answer.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the client has gone; aiohttp notices it when it ends the response
        except web.HTTPException:
            raise
        except Exception as error:
            logger.error(
                "a handler of the HTTP server raised an error",
                exc_info=error,
                extra={"event": "http_handler_failed"},
            )
            answer = web.Response(status=500)
        return answer


class _Refusal(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
