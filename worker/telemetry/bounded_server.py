"""An HTTP server that no client can block: times, sizes and connections are limited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aiohttp import web

logger = logging.getLogger(__name__)

#: Logger that drops aiohttp's log lines, because aiohttp quotes a request that it cannot read, and
#: anyone may send such a request. This module logs the errors of handlers itself.
_SILENT: Final = logging.getLogger(f"{__name__}.aiohttp")
_SILENT.setLevel(logging.CRITICAL)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Maximum seconds that the server waits for pending responses while it closes.
_CLOSE_S: Final = 1.0
#: Maximum number of connections that the system holds until the server accepts them.
_BACKLOG: Final = 32


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """Limits of times, sizes and numbers for a `BoundedServer`.

    With the defaults, the heads of all requests together take at most 41 MB: 100 connections with
    50 headers of 8 KiB each.
    """

    #: Maximum seconds until the head of a request has arrived, counted from the connection or from
    #: the previous response. An idle connection is closed after `head_s` too.
    head_s: float = 20.0
    #: Maximum seconds from the arrival of a request's head until the response is sent. Reading the
    #: body of the request counts too.
    answer_s: float = 20.0
    #: Maximum seconds for which the unread rest of a request's body is read and dropped after the
    #: response.
    linger_s: float = 1.0
    #: Maximum size of a body in bytes.
    body_bytes: int = 1 << 20
    #: Maximum length in bytes of the request line, and of each header.
    line_bytes: int = 8190
    #: Maximum number of headers.
    headers: int = 50
    #: Maximum number of open connections; further connections are closed at once. Up to `_BACKLOG`
    #: more are accepted if they arrive in the same instant.
    connections: int = 100


class BoundedServer:
    """Serves routes on one address until `aclose`, within limits.

    Args:
        routes: The routes to serve.
        middlewares: Middlewares of aiohttp, the outermost first. The limits apply to the
            middlewares too.
        limits: Limits of times, sizes and numbers; None for the defaults of `HttpLimits`.
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
            # A small compressed body may become huge when it is decompressed.
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
        """Stop the server. Responses that are being sent have `_CLOSE_S` seconds to finish."""
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
        """Send the response within `answer_s` seconds, or else close the connection."""
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
    """Protocol of a refused connection: closes the connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
