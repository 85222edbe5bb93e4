"""Applies the fault of one request to its answer: an HTTP body or a websocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from aiohttp import WSMsgType, web

from tests.stand_ins.faults import NOT_JSON, WRONG_SHAPE, Fault, FaultKind, Nonsense

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import WSMessage

#: Value of SO_LINGER that makes a close send an RST instead of a FIN (socket(7)).
_RESET: Final = struct.pack("ii", 1, 0)
#: Maximum bytes of a close frame's reason (RFC 6455, 5.5).
_LONGEST_REASON: Final = 123
_ENDED: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


async def _hang() -> None:
    """Hang until the handler is cancelled, because the client left or the server closes."""
    await asyncio.get_running_loop().create_future()


class FaultInjector:
    """The fault of one request, if it has one, and the amount of data transferred so far."""

    def __init__(self, fault: Fault | None, transport: asyncio.BaseTransport | None) -> None:
        self._fault = fault
        self._transport = transport
        self._messages = 0
        self._audio_bytes = 0

    def meets(self, kind: FaultKind) -> bool:
        """Return whether the request's fault is of this kind."""
        return self._fault is not None and self._fault.kind is kind

    def talks(self, nonsense: Nonsense) -> bool:
        """Return whether the answer is invalid in this way."""
        return (
            self._fault is not None
            and self.meets(FaultKind.GARBAGE)
            and (self._fault.nonsense is nonsense)
        )

    @property
    def fault(self) -> Fault | None:
        """The request's fault."""
        return self._fault

    @property
    def nonsense(self) -> str | None:
        """The text that replaces each JSON message; None if they are not replaced."""
        if self.talks(Nonsense.NOT_JSON):
            return NOT_JSON
        return WRONG_SHAPE if self.talks(Nonsense.WRONG_SHAPE) else None

    async def before_answer(self) -> None:
        """Delay, hang, or break the connection before any answer."""
        if self._fault is None:
            return
        if self._fault.strikes_at_once:
            await self.break_connection()
        await asyncio.sleep(self._fault.answer_s)

    async def before_chunk(self) -> None:
        """Delay a part of the answer."""
        if self._fault is not None and self._fault.chunk_s:
            await asyncio.sleep(self._fault.chunk_s)

    def count(self, *, messages: int = 0, audio_bytes: int = 0) -> bool:
        """Count transferred data; return True if the connection must break now."""
        self._messages += messages
        self._audio_bytes += audio_bytes
        return self._fault is not None and self._fault.strikes_after(
            messages=self._messages, audio_bytes=self._audio_bytes
        )

    async def break_connection(self) -> None:
        """Break an HTTP connection as the fault requires; never return."""
        if self.meets(FaultKind.RESET):
            self.reset()
        elif self.meets(FaultKind.CLOSE) and isinstance(self._transport, asyncio.Transport):
            self._transport.close()
        await _hang()

    def reset(self) -> None:
        """Send an RST."""
        if not isinstance(self._transport, asyncio.Transport):
            return
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()


class Body:
    """The parts of one HTTP answer."""

    def __init__(self, response: web.StreamResponse, injector: FaultInjector) -> None:
        self._response = response
        self._injector = injector

    async def write(self, part: bytes, *, audio_bytes: int = 0) -> None:
        """Send one part, unless the fault breaks the connection first."""
        if self._injector.count():
            await self._injector.break_connection()
        await self._injector.before_chunk()
        await self._response.write(part)
        if self._injector.count(messages=1, audio_bytes=audio_bytes):
            await self._injector.break_connection()


class Socket:
    """The server's end of a websocket."""

    def __init__(self, injector: FaultInjector) -> None:
        # This class answers pings and close frames, so that a half-open one can ignore them.
        self._websocket = web.WebSocketResponse(autoping=False, autoclose=False)
        self._injector = injector
        self._deaf = False

    @property
    def response(self) -> web.WebSocketResponse:
        """The response that the request's handler returns."""
        return self._websocket

    async def accept(self, request: web.Request, headers: Mapping[str, str]) -> None:
        """Upgrade the connection."""
        self._websocket.headers.update(headers)
        await self._websocket.prepare(request)
        await self._count()

    async def messages(self) -> AsyncIterator[WSMessage]:
        """Yield the client's text and binary messages until the connection ends."""
        while True:
            message = await self._websocket.receive()
            if self._deaf:
                await self._swallow()
            if message.type in _ENDED:
                await self.close(1000)
                return
            if message.type is WSMsgType.PING:
                await self._websocket.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                yield message

    async def heard(self, audio_bytes: int) -> None:
        """Count audio that the client sent."""
        await self._count(audio_bytes=audio_bytes)

    async def send(self, message: Mapping[str, Any], *, audio_bytes: int = 0) -> None:
        """Send one message, or its replacement according to the fault."""
        await self._injector.before_chunk()
        if self._deaf or self._websocket.closed:
            return
        with contextlib.suppress(ConnectionError):
            await self._websocket.send_str(self._injector.nonsense or json.dumps(message))
        await self._count(messages=1, audio_bytes=audio_bytes)

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and close the websocket."""
        if self._deaf:
            await self._swallow()
        with contextlib.suppress(ConnectionError):
            await self._websocket.close(code=code, message=reason.encode()[:_LONGEST_REASON])

    async def _swallow(self) -> None:
        """Discard all messages without an answer; never return."""
        while (await self._websocket.receive()).type not in _ENDED:
            pass
        await _hang()

    async def _count(self, *, messages: int = 0, audio_bytes: int = 0) -> None:
        if self._deaf or not self._injector.count(messages=messages, audio_bytes=audio_bytes):
            return
        if self._injector.meets(FaultKind.HALF_OPEN):
            self._deaf = True
        elif self._injector.meets(FaultKind.RESET):
            self._injector.reset()
        elif fault := self._injector.fault:
            await self.close(fault.close_code, fault.reason)
