"""The TCP proxy that other tests put in front of a server."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.stand_ins.tcp_proxy import TcpProxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """An echo server that records how each connection to it ended."""

    def __init__(self) -> None:
        self.port = 0
        self.endings: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Echo:
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            self.endings.put_nowait("closed")
        except ConnectionResetError:
            self.endings.put_nowait("reset")
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with Echo() as echo:
        yield echo


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[TcpProxy]:
    async with TcpProxy("127.0.0.1", echo.port) as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: TcpProxy) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def echoed(ends: Ends, data: bytes) -> bytes:
    reader, writer = ends
    writer.write(data)
    return await reader.readexactly(len(data))


async def nothing_comes(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection is still open after a short silence."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.read(1)
    return not reader.at_eof()


async def test_data_and_the_end_are_forwarded_in_order(proxy: TcpProxy, echo: Echo) -> None:
    data = bytes(range(256)) * 40_000
    async with connected(proxy) as (reader, writer):
        writer.write(data)
        writer.write_eof()
        assert await reader.read(-1) == data
    assert await echo.endings.get() == "closed"


async def test_a_unix_socket_can_be_the_target() -> None:
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        path = Path(folder) / "sock"
        server = await asyncio.start_unix_server(Echo().serve, path)
        async with TcpProxy(path) as proxy, connected(proxy) as ends:
            assert await echoed(ends, b"hello") == b"hello"
        server.close()


async def test_a_delay_applies_to_both_directions_and_keeps_the_order(proxy: TcpProxy) -> None:
    async with connected(proxy) as ends:
        loop = asyncio.get_running_loop()
        began = loop.time()
        proxy.delay(0.05)
        assert await echoed(ends, b"first, ") == b"first, "
        assert loop.time() - began >= 0.1
        ends[1].write(b"slow, ")
        await asyncio.sleep(0.01)
        proxy.delay(0)
        ends[1].write(b"fast")
        assert await ends[0].readexactly(10) == b"slow, fast"


async def test_a_stalled_connection_is_open_and_delivers_when_healed(
    proxy: TcpProxy,
) -> None:
    async with connected(proxy) as ends:
        assert await echoed(ends, b"before") == b"before"
        proxy.stall()
        ends[1].write(b"held")
        assert await nothing_comes(ends[0])
        async with connected(proxy) as new:
            new[1].write(b"new")
            assert await nothing_comes(new[0])
            await proxy.heal()
            assert await new[0].readexactly(3) == b"new"
        assert await ends[0].readexactly(4) == b"held"


async def test_only_the_existing_connections_can_be_stalled(proxy: TcpProxy) -> None:
    async with connected(proxy) as old:
        assert await echoed(old, b"before") == b"before"
        proxy.stall(new=False)
        old[1].write(b"held")
        async with connected(proxy) as new:
            assert await echoed(new, b"new") == b"new"
            assert await nothing_comes(old[0])
            proxy.stall()
            await proxy.heal()
            assert await echoed(new, b"again") == b"again"
        assert await old[0].readexactly(4) == b"held"


async def test_the_end_of_a_connection_waits_while_it_is_stalled(
    proxy: TcpProxy, echo: Echo
) -> None:
    async with connected(proxy) as ends:
        assert await echoed(ends, b"before") == b"before"
        proxy.stall()
    assert proxy.connections == 1
    assert echo.endings.empty()
    await proxy.heal()
    assert await echo.endings.get() == "closed"


@pytest.mark.parametrize("stalled", [False, True])
async def test_a_cut_connection_is_reset_at_both_ends_and_new_ones_are_accepted(
    proxy: TcpProxy, echo: Echo, stalled: bool
) -> None:
    async with connected(proxy) as ends:
        assert await echoed(ends, b"before") == b"before"
        if stalled:
            proxy.stall()
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await ends[0].read(1)
        assert await echo.endings.get() == "reset"
    await proxy.heal()
    async with connected(proxy) as ends:
        assert await echoed(ends, b"after") == b"after"


async def test_new_connections_are_refused_at_once_and_open_ones_continue(
    proxy: TcpProxy,
) -> None:
    async with connected(proxy) as ends:
        assert await echoed(ends, b"before") == b"before"
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(proxy.host, proxy.port)
        assert await echoed(ends, b"still") == b"still"
    await proxy.heal()
    async with connected(proxy) as ends:
        assert await echoed(ends, b"after") == b"after"


async def test_redirected_connections_reach_another_server_and_open_ones_stay(
    proxy: TcpProxy, echo: Echo
) -> None:
    async with Echo() as other, connected(proxy) as old:
        assert await echoed(old, b"before") == b"before"
        proxy.redirect("127.0.0.1", other.port)
        async with connected(proxy) as new:
            assert await echoed(new, b"new") == b"new"
        assert await other.endings.get() == "closed"
        assert echo.endings.empty()
        assert await echoed(old, b"still") == b"still"


async def test_connections_are_counted(proxy: TcpProxy) -> None:
    counting = asyncio.create_task(proxy.accepted(2))
    async with connected(proxy) as one, connected(proxy) as two:
        await counting
        assert await echoed(one, b"a") + await echoed(two, b"b") == b"ab"
        assert proxy.connections == 2


async def test_the_client_is_reset_if_the_server_is_gone() -> None:
    async with Echo() as echo:
        port = echo.port
    async with TcpProxy("127.0.0.1", port) as proxy, connected(proxy) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_closing_the_proxy_ends_stalled_connections(echo: Echo) -> None:
    async with TcpProxy("127.0.0.1", echo.port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        proxy.stall()
        writer.write(b"never")
        await proxy.accepted(1)
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()
