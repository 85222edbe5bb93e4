"""Base of the provider test servers: serves on loopback, records requests, injects faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from uuid import uuid4

from aiohttp import web

from tests.stand_ins._injector import FaultInjector
from tests.stand_ins.faults import Fault, FaultKind, FaultPlan, Nonsense, UnknownFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp.typedefs import Handler

INJECTOR: Final = web.RequestKey("injector", FaultInjector)
BODY: Final = web.RequestKey[Any]("body", object)
REQUEST_ID: Final = web.RequestKey("request_id", str)

#: Seconds that aiohttp waits for handlers at shutdown. Ours have ended by then.
_SHUTDOWN_S: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Request:
    """One received request, successful or not; it never contains the key."""

    method: str
    path: str
    query: Mapping[str, str]
    #: The body if it was JSON, else None.
    body: Any
    #: The fault that was applied to the request.
    fault: Fault | None


class StandIn(ABC):
    """Local test server that speaks a provider's protocol while it is entered.

    `requests` and `connections` record everything that arrived, refused or not. A websocket is
    one request. A client with keep-alive has fewer connections than requests.
    """

    #: The provider's name.
    provider: ClassVar[str]
    #: The environment variables of the key and the address.
    key_variable: ClassVar[str]
    url_variable: ClassVar[str]
    #: The faults that this provider can have.
    faults: ClassVar[frozenset[FaultKind]]
    #: The path of the base URL.
    path: ClassVar[str]

    def __init__(self, *, key: str) -> None:
        self.key = key
        self.requests: list[Request] = []
        self.connections = 0
        self._plan = FaultPlan()
        self._arrived = asyncio.Condition()
        self._handling: set[asyncio.Task[Any]] = set()
        self._open = contextlib.AsyncExitStack()
        self._port = 0

    @property
    def base_url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self._port}{self.path}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point a worker to this server."""
        return {self.url_variable: self.base_url, self.key_variable: self.key}

    def fault(self, fault: Fault) -> None:
        """Apply a fault to every request until `heal`.

        Raises:
            UnknownFault: This provider cannot have the fault.
        """
        self._plan.stand(self._known(fault))

    def next(self, fault: Fault, *, times: int = 1) -> None:
        """Apply a fault to the next requests, in place of any standing fault.

        Raises:
            UnknownFault: This provider cannot have the fault.
        """
        self._plan.queue(self._known(fault), times)

    def heal(self) -> None:
        """Apply no fault to new requests; connections that are broken stay broken."""
        self._plan.heal()

    async def requested(self, count: int = 1) -> None:
        """Wait until `count` requests have arrived since the start."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await self._listen(stack)
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _listen(self, stack: contextlib.AsyncExitStack) -> None:
        app = web.Application(middlewares=[self._meet])
        app.add_routes(self.routes())
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(self._end_handlers)

        def accept() -> asyncio.BaseProtocol:
            self.connections += 1
            assert runner.server is not None
            return runner.server()

        loop = asyncio.get_running_loop()
        listener = await loop.create_server(accept, "127.0.0.1", 0)
        stack.callback(listener.close)
        self._port = listener.sockets[0].getsockname()[1]

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the provider's endpoints."""

    @abstractmethod
    def refusal(self, status: int, code: str, request_id: str) -> Mapping[str, Any]:
        """Return the provider's error body for a status; `code` replaces its usual error code."""

    def refuse(
        self, request: web.Request, status: int, code: str = "", *, retry_after_s: int | None = None
    ) -> web.Response:
        """Return an error response with a status, as the provider sends it."""
        request_id = request[REQUEST_ID]
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        return web.json_response(
            self.refusal(status, code, request_id),
            status=status,
            headers={**headers, **self.headers(request_id)},
        )

    @abstractmethod
    def headers(self, request_id: str) -> Mapping[str, str]:
        """Return the provider's own response headers."""

    def _known(self, fault: Fault) -> Fault:
        speaks = FaultKind.NO_AUDIO in self.faults
        if fault.kind not in self.faults or (fault.nonsense is Nonsense.NO_AUDIO and not speaks):
            raise UnknownFault(self.provider, fault.kind)
        return fault

    @web.middleware
    async def _meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record the request and apply its fault."""
        task = asyncio.current_task()
        assert task is not None
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

        fault = self._plan.take()
        injector = FaultInjector(fault, request.transport)
        request[INJECTOR] = injector
        request[REQUEST_ID] = str(uuid4())
        request[BODY] = await _json_of(request)
        await self._remember(request, fault)

        await injector.before_answer()
        if fault is not None and fault.kind is FaultKind.REFUSE:
            return self.refuse(request, fault.status, fault.code, retry_after_s=fault.retry_after_s)
        return await handler(request)

    async def _remember(self, request: web.Request, fault: Fault | None) -> None:
        self.requests.append(
            Request(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                body=request[BODY],
                fault=fault,
            )
        )
        async with self._arrived:
            self._arrived.notify_all()

    async def _end_handlers(self) -> None:
        """Cancel handlers that still hang, so that closing never waits for a fault."""
        handling = list(self._handling)
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)


async def _json_of(request: web.Request) -> Any:
    try:
        return json.loads(await request.read()) if request.body_exists else None
    except ValueError:
        return None
