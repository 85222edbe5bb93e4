"""A TCP relay in front of a server: it adds a delay, drops packets, and counts round trips."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable

#: The path of a Unix socket, or host and port.
Address: TypeAlias = Path | tuple[str, int]
#: Takes the next bytes of a direction. Empty bytes are the end of the stream.
Deliver: TypeAlias = "Callable[[bytes], None]"

HOST: Final = "127.0.0.1"
_CHUNK: Final = 65536
#: The event loop receives into this buffer and calls `buffer_updated` at once, so that all
#: connections of a process can share it.
_BUFFER: Final = memoryview(bytearray(_CHUNK))
#: Connections that may wait until the relay accepts them.
_BACKLOG: Final = 1024
#: Seconds after which an idle connection vanishes that `Relay.vanish` lets end in a statement.
_VANISHED_S: Final = 1.0
#: Seconds by which a timer of the event loop may be early, because its clock has a resolution.
_EARLY_S: Final = 1e-5


class DelayLine:
    """Delivers bytes in the order of `put`, each a fixed time after it was put.

    One queue and one timer serve all connections of a relay, because all of them have the same
    delay. asyncio rounds the wait up to a millisecond: nothing is early, and most is up to 1 ms
    late.
    """

    def __init__(self, delay_s: float) -> None:
        #: Delay in seconds of what is put from now on.
        self.delay_s = delay_s
        self._queue: deque[tuple[float, Deliver, bytes]] = deque()
        self._last_due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def put(self, deliver: Deliver, data: bytes) -> None:
        """Call `deliver(data)` once the delay is over and all earlier calls were made."""
        if self._closed:
            return
        if self.delay_s <= 0 and not self._queue:
            deliver(data)
            return
        loop = asyncio.get_running_loop()
        self._last_due = max(loop.time() + self.delay_s, self._last_due)
        self._queue.append((self._last_due, deliver, data))
        if self._timer is None:
            self._timer = loop.call_at(self._last_due, self._deliver_due)

    def close(self) -> None:
        """Drop everything that is on its way, and everything that is put later."""
        self._closed = True
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _deliver_due(self) -> None:
        loop = asyncio.get_running_loop()
        queue, now = self._queue, loop.time() + _EARLY_S
        while queue and queue[0][0] <= now:
            _, deliver, data = queue.popleft()
            deliver(data)
        self._timer = loop.call_at(queue[0][0], self._deliver_due) if queue else None


class _End(asyncio.BufferedProtocol):
    """One end of a link: gives what it receives to `received`, and nothing (`b""`) at its end."""

    def __init__(self, received: Deliver, begun: Callable[[], None]) -> None:
        self._received = received
        self._begun = begun
        self.transport: asyncio.Transport | None = None
        self.peer: _End | None = None
        #: True once the connection of this end is closed.
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._begun()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        self._received(bytes(_BUFFER[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._received(b"")

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send `data` to the program at this end; close the connection if `data` is empty."""
        if self.transport is None or self.transport.is_closing():
            return
        if data:
            self.transport.write(data)
        else:
            self.transport.close()


class Link:
    """A client's connection to the relay, and the relay's connection to the server for it."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.client = _End(self._from_client, self._client_connected)
        self._server = _End(self._from_server, lambda: None)
        self.client.peer, self._server.peer = self._server, self.client
        self._connecting: asyncio.Task[None] | None = None
        #: Number of times that the client sent something after the server's last answer.
        self.round_trips = 0
        self._waits_for_answer = False
        self._vanished = False
        #: Chunks that the server still receives before the connection vanishes; None: no end.
        self._left: int | None = None

    def vanish(self) -> None:
        """Drop all packets from now on, in both directions. Both connections stay open."""
        self._vanished = True

    def vanish_after(self, chunks: int) -> None:
        """Drop all packets once the server has received `chunks` more chunks of the client."""
        self._left = chunks

    def abort(self) -> None:
        """Close both connections at once."""
        if self._connecting is not None:
            self._connecting.cancel()
        for end in (self.client, self._server):
            if end.transport is not None:
                end.transport.abort()

    def _client_connected(self) -> None:
        assert self.client.transport is not None
        self._relay.links[self] = None
        self.client.transport.pause_reading()
        if self._relay.vanished:
            self._vanished = True
        else:
            self._connecting = asyncio.create_task(self._connect(), name="relay-connect")

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        address = self._relay.address
        try:
            if isinstance(address, Path):
                await loop.create_unix_connection(lambda: self._server, str(address))
            else:
                await loop.create_connection(lambda: self._server, *address)
        except OSError:
            self.abort()
            return
        # To open a connection over a network takes one round trip.
        await asyncio.sleep(2 * self._relay.line.delay_s)
        if self.client.transport is not None:
            self.client.transport.resume_reading()

    def _from_client(self, data: bytes) -> None:
        if data and not self._waits_for_answer and not self._vanished:
            self._waits_for_answer = True
            self.round_trips += 1
            self._relay.round_trips += 1
        self._pass_on(self._to_server, data)

    def _from_server(self, data: bytes) -> None:
        self._pass_on(self._to_client, data)

    def _pass_on(self, deliver: Deliver, data: bytes) -> None:
        server_is_open = self._server.transport is not None and not self._server.lost
        if not data and self.client.lost and not server_is_open:
            self._end()
        if not self._vanished:
            self._relay.line.put(deliver, data)

    def _to_server(self, data: bytes) -> None:
        if self._vanished:
            return
        if not data and self._server.transport is None and self._connecting is not None:
            self._connecting.cancel()
        self._server.write(data)
        if self._left is not None:
            self._left -= 1
            self._vanished = self._left <= 0

    def _to_client(self, data: bytes) -> None:
        if not self._vanished:
            self._waits_for_answer = False
            self.client.write(data)

    def _end(self) -> None:
        self._relay.links.pop(self, None)
        if not self._relay.links:
            self._relay.no_links.set()


class Relay:
    """Listens on a port of this machine, and forwards each connection to one server.

    Args:
        address: The server.
        delay_s: Seconds by which each direction is delayed: half of the round trip.
    """

    def __init__(self, address: Address, *, delay_s: float = 0.0) -> None:
        self.address = address
        self.line = DelayLine(delay_s)
        #: The open links, in the order of their beginning.
        self.links: dict[Link, None] = {}
        #: Set whenever the last open link has ended.
        self.no_links = asyncio.Event()
        #: Round trips of all links since the start or `reset`.
        self.round_trips = 0
        #: True once new connections reach no server: the relay accepts them and drops all packets.
        self.vanished = False
        self.port = 0
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; `port` is known afterwards."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Link(self).client, HOST, 0, backlog=_BACKLOG
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    def vanish(self, *, within_chunks: int = 0, seed: int = 0) -> None:
        """Drop all packets of all connections, old and new. No connection is closed.

        With `within_chunks`, each open connection vanishes in the middle of its work: after the
        server has received 1 to `within_chunks` more chunks from the client, whose answers are
        dropped. The numbers are drawn from `seed`. A connection that is idle vanishes after 1 s.
        """
        self.vanished = True
        draw = random.Random(seed)  # noqa: S311  # a test's choice, guards nothing
        for link in self.links:
            if within_chunks > 0:
                link.vanish_after(draw.randint(1, within_chunks))
                asyncio.get_running_loop().call_later(_VANISHED_S, link.vanish)
            else:
                link.vanish()

    def reset(self) -> None:
        """Count round trips from zero again."""
        self.round_trips = 0
        for link in self.links:
            link.round_trips = 0

    async def aclose(self) -> None:
        """Stop listening, and close all connections at once."""
        if self._listener is not None:
            self._listener.close()
        self.line.close()
        self.no_links.clear()
        for link in tuple(self.links):
            link.abort()
        if self.links:
            await self.no_links.wait()
