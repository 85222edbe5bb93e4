"""What the stand-ins share: a server on loopback that counts, remembers, and fails as told."""

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

#: Seconds that aiohttp waits for handlers at the end; ours have ended by then.
_SHUTDOWN_S: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request that came in, whatever became of it; never holds the key."""

    method: str
    path: str
    query: Mapping[str, str]
    #: The body, where there was one and it was JSON.
    body: Any
    #: What the request met.
    fault: Fault | None


class StandIn(ABC):
    """A provider on loopback, while it is entered.

    `requests` and `connections` count what reached it, refused or not: a websocket is one
    request; a client that keeps a connection alive has fewer connections than requests.
    """

    #: The provider's name.
    provider: ClassVar[str]
    #: The environment variables of the key and the address.
    key_variable: ClassVar[str]
    url_variable: ClassVar[str]
    #: The ways in which this provider can fail.
    faults: ClassVar[frozenset[FaultKind]]
    #: What the address ends with.
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
        """The address that a client is given."""
        return f"http://127.0.0.1:{self._port}{self.path}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point a worker here."""
        return {self.url_variable: self.base_url, self.key_variable: self.key}

    def fault(self, fault: Fault) -> None:
        """Let every request meet it until `heal`.

        Raises:
            UnknownFault: this provider cannot fail in this way.
        """
        self._plan.stand(self._known(fault))

    def next(self, fault: Fault, *, times: int = 1) -> None:
        """Let the next requests meet it, before any standing fault.

        Raises:
            UnknownFault: this provider cannot fail in this way.
        """
        self._plan.queue(self._known(fault), times)

    def heal(self) -> None:
        """Let no new request meet a fault; what is broken already stays broken."""
        self._plan.heal()

    async def requested(self, count: int = 1) -> None:
        """Wait until so many requests have come since the start."""
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
        """The provider's endpoints."""

    @abstractmethod
    def refusal(self, status: int, code: str, request_id: str) -> Mapping[str, Any]:
        """The provider's error body for a status; `code` in place of its usual error code."""

    def refuse(
        self, request: web.Request, status: int, code: str = "", *, retry_after_s: int | None = None
    ) -> web.Response:
        """Answer with a status, as the provider does."""
        request_id = request[REQUEST_ID]
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        return web.json_response(
            self.refusal(status, code, request_id),
            status=status,
            headers={**headers, **self.headers(request_id)},
        )

    @abstractmethod
    def headers(self, request_id: str) -> Mapping[str, str]:
        """The provider's own headers of an answer."""

    def _known(self, fault: Fault) -> Fault:
        speaks = FaultKind.NO_AUDIO in self.faults
        if fault.kind not in self.faults or (fault.nonsense is Nonsense.NO_AUDIO and not speaks):
            raise UnknownFault(self.provider, fault.kind)
        return fault

    @web.middleware
    async def _meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Remember the request, and let it meet its fault."""
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
        """End what still hangs, so that closing never waits for a fault."""
        handling = list(self._handling)
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)


async def _json_of(request: web.Request) -> Any:
    try:
        return json.loads(await request.read()) if request.body_exists else None
    except ValueError:
        return None
