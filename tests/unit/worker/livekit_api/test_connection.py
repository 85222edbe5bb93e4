"""Connections to a LiveKit server that are kept open: reuse, loss, limits and end.

The server of these tests speaks just enough HTTP to answer, to stay mute, or to close a connection
at a chosen moment. Its answer, an empty body, is a valid answer to every call.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import api

from worker.livekit_api import connection as module
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.connection import LiveKitConnection
from worker.livekit_api.errors import LiveKitKeyRefused, LiveKitUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.livekit_api.calls import LiveKitCalls

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\nContent-Length: 0\r\n\r\n"

#: Decides what a server does with a request, from the numbers of the connection and of the request
#: on it, each counted from 1: "answer", "mute" or "close".
Decide: TypeAlias = Callable[[int, int], str]


def always(_connection: int, _request: int) -> str:
    return "answer"


class RawServer:
    """An HTTP server that follows `decide`, and counts the requests of each connection."""

    def __init__(self, decide: Decide) -> None:
        self.decide = decide
        self.requests: defaultdict[int, int] = defaultdict(int)
        self.connections = 0
        self.url = ""
        self._over = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        number = self.connections
        try:
            while await self._received(reader):
                self.requests[number] += 1
                what = self.decide(number, self.requests[number])
                if what == "close":
                    break
                if what == "mute":
                    await self._over.wait()
                    break
                writer.write(ANSWER)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has closed the connection
        finally:
            writer.close()

    def end(self) -> None:
        """Close all connections."""
        self._over.set()
        for writer in self._writers:
            writer.close()

    async def _received(self, reader: asyncio.StreamReader) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        (length,) = (line for line in lines if line.startswith("content-length:"))
        await reader.readexactly(int(length.removeprefix("content-length:")))
        return True


@asynccontextmanager
async def serving(decide: Decide = always) -> AsyncIterator[RawServer]:
    served = RawServer(decide)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        try:
            yield served
        finally:
            served.end()


def connection_to(server: RawServer) -> LiveKitConnection:
    return LiveKitConnection(server.url, KEY, SECRET)


# --- reuse --------------------------------------------------------------------------------------


async def test_calls_share_one_connection() -> None:
    async with serving() as server, connection_to(server) as connection:
        for _ in range(5):
            await connection.list_participants("a-room")
        await connection.dispatch(agent_name="interviewer", room="a-room")
        assert server.requests == {1: 6}


async def test_a_connection_is_opened_by_the_first_call_only() -> None:
    async with serving() as server:
        async with connection_to(server):
            pass
        assert server.connections == 0


async def test_a_client_opens_a_connection_for_each_call() -> None:
    async with serving() as server:
        client = LiveKitClient(server.url, KEY, SECRET)
        for _ in range(3):
            await client.list_participants("a-room")
        assert server.requests == {1: 1, 2: 1, 3: 1}


async def test_old_connections_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWED_S", 0.0)
    async with serving() as server, connection_to(server) as connection:
        for _ in range(3):
            await connection.list_participants("a-room")
        assert server.requests == {1: 1, 2: 1, 3: 1}


async def test_calls_at_once_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 2)
    release = asyncio.Event()
    both = asyncio.Event()
    running: list[int] = []
    now = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal now
        now += 1
        running.append(now)
        if now == 2:
            both.set()
        await release.wait()
        now -= 1
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with (
        TestServer(app) as server,
        LiveKitConnection(str(server.make_url("/")), KEY, SECRET) as connection,
    ):
        calls = [asyncio.create_task(connection.list_participants("a-room")) for _ in range(6)]
        await both.wait()
        release.set()
        assert await asyncio.gather(*calls) == [[]] * 6
    assert max(running) == 2


# --- loss ---------------------------------------------------------------------------------------


def closes_the_second_request(connection: int, request: int) -> str:
    """Close the first connection as its second request arrives: it was idle for too long."""
    return "close" if (connection, request) == (1, 2) else "answer"


async def test_a_connection_that_the_server_closed_while_it_was_idle_is_no_error() -> None:
    async with (
        serving(closes_the_second_request) as server,
        connection_to(server) as connection,
    ):
        for _ in range(3):
            await connection.list_participants("a-room")
        assert server.requests == {1: 2, 2: 2}


async def test_a_dispatch_is_not_repeated_because_it_may_have_been_accepted() -> None:
    async with (
        serving(closes_the_second_request) as server,
        connection_to(server) as connection,
    ):
        await connection.list_participants("a-room")
        with pytest.raises(LiveKitUnreachable):
            await connection.dispatch(agent_name="interviewer", room="a-room")
        assert server.requests == {1: 2}
        await connection.dispatch(agent_name="interviewer", room="a-room")
        assert server.requests == {1: 2, 2: 1}


async def test_a_server_that_closes_every_connection_is_unreachable_after_two_attempts() -> None:
    async with (
        serving(lambda _connection, _request: "close") as server,
        connection_to(server) as connection,
    ):
        with pytest.raises(LiveKitUnreachable):
            await connection.list_participants("a-room")
        assert server.requests == {1: 1, 2: 1}


async def test_a_call_without_an_answer_retires_the_other_idle_connections() -> None:
    """After a network change all connections are dead, and none of them is reported as closed."""
    arrived = asyncio.Barrier(2)
    network = "up"

    def decide(connection: int, request: int) -> str:
        return "mute" if network == "changed" and connection <= 2 else "answer"

    async with serving(decide) as server, connection_to(server) as connection:

        async def open_one() -> None:
            async with connection.calling("list_rooms") as api:
                await arrived.wait()
                await api.agent_dispatch.list_dispatch("a-room")

        await asyncio.gather(open_one(), open_one())
        assert server.requests == {1: 1, 2: 1}
        network = "changed"
        with pytest.raises(LiveKitUnreachable, match="timed out"):
            await connection.list_dispatches("a-room", timeout_s=0.2)
        assert await connection.list_dispatches("a-room", timeout_s=5) == []
        assert server.requests[3] == 1


async def test_a_server_that_is_gone_is_reported_as_by_a_client() -> None:
    async with serving() as server:
        connection = connection_to(server)
        await connection.list_participants("a-room")
    with pytest.raises(LiveKitUnreachable) as caught:
        await connection.list_participants("a-room")
    assert caught.value.reason == "connection refused"
    await connection.aclose()


async def test_an_empty_key_is_refused_without_a_connection() -> None:
    async with serving() as server, LiveKitConnection(server.url, "", "") as connection:
        with pytest.raises(LiveKitKeyRefused):
            await connection.list_participants("a-room")
        assert server.connections == 0


# --- end ----------------------------------------------------------------------------------------


async def test_a_call_that_runs_at_the_end_gets_its_answer_and_no_later_one_begins() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        asked.set()
        await release.wait()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        connection = LiveKitConnection(str(server.make_url("/")), KEY, SECRET)
        running = asyncio.create_task(connection.list_participants("a-room"))
        await asked.wait()
        await connection.aclose()
        with pytest.raises(LiveKitUnreachable, match="has closed its connections"):
            await connection.list_participants("a-room")
        release.set()
        assert await running == []


async def test_a_connection_can_be_closed_twice_and_before_its_first_call() -> None:
    connection = LiveKitConnection("ws://127.0.0.1:7880", KEY, SECRET)
    await connection.aclose()
    await connection.aclose()


def test_the_text_of_a_connection_shows_no_secret() -> None:
    connection = LiveKitConnection("ws://user:hunter2@host:7880", KEY, SECRET)
    assert repr(connection) == f"LiveKitConnection('ws://host:7880', '{KEY}', '***')"


# --- another key, and a proxy ---------------------------------------------------------------------


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[str, list[web.Request]]]:
    """Yield the URL of an HTTP server, and the requests that it gets and answers."""
    requests: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        requests.append(request)
        return web.Response(content_type="application/protobuf")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/")), requests


async def test_after_a_rotation_each_call_is_signed_with_the_new_key() -> None:
    secret = "a-new-secret-of-at-least-thirty-two-characters"
    async with recording() as (url, requests), LiveKitConnection(url, KEY, SECRET) as connection:
        await connection.list_participants("a-room")
        connection.use_key("new-key", secret)
        await connection.list_participants("a-room")
    first, second = (each.headers["Authorization"].partition(" ")[2] for each in requests)
    api.TokenVerifier(KEY, SECRET).verify(first)
    api.TokenVerifier("new-key", secret).verify(second)


async def test_calls_with_the_same_key_share_livekits_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To make a client takes processor time, and the leader makes hundreds of calls a second."""
    made: list[api.LiveKitAPI] = []

    def make(*arguments: Any, **options: Any) -> api.LiveKitAPI:
        made.append(plain(*arguments, **options))
        return made[-1]

    plain = api.LiveKitAPI
    monkeypatch.setattr(api, "LiveKitAPI", make)
    async with recording() as (url, requests), LiveKitConnection(url, KEY, SECRET) as connection:
        for _ in range(3):
            await connection.list_participants("a-room")
        assert len(made) == 1
        connection.use_key("new-key", "a-new-secret-of-at-least-thirty-two-characters")
        await connection.list_participants("a-room")
    assert (len(made), len(requests)) == (2, 4)


@pytest.mark.parametrize("kind", [LiveKitClient, LiveKitConnection])
async def test_calls_go_through_the_proxy_of_the_environment(
    kind: type[LiveKitCalls], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recording() as (proxy, requests):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "other.invalid")
        calls = kind("ws://livekit.invalid:7880", KEY, SECRET)
        assert await calls.list_participants("a-room") == []
        if isinstance(calls, LiveKitConnection):
            await calls.aclose()
    assert [each.headers["Host"] for each in requests] == ["livekit.invalid:7880"]


async def test_a_proxy_that_refuses_or_does_not_answer_is_named_as_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Filtered\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    client = LiveKitClient("wss://livekit.invalid", KEY, SECRET)
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        host, port = proxy.sockets[0].getsockname()
        monkeypatch.setenv("https_proxy", f"http://{host}:{port}")
        with pytest.raises(LiveKitUnreachable, match="the proxy refuses the connection: HTTP 403"):
            await client.list_participants("a-room")
    with pytest.raises(LiveKitUnreachable, match="the proxy cannot be reached"):
        await client.list_participants("a-room")


async def test_a_server_on_this_machine_is_called_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with recording() as (proxy, through), recording() as (url, direct):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        await LiveKitClient(url, KEY, SECRET).list_participants("a-room")
        assert (len(through), len(direct)) == (0, 1)
