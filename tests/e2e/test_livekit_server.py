"""A real LiveKit server: start, kill, restart and stop."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.connection import LiveKitConnection
from worker.livekit_api.errors import LiveKitKeyRefused, LiveKitUnreachable
from worker.simulation.livekit_config import Ports
from worker.simulation.livekit_server import LiveKitServer, LiveKitServerUnavailable
from worker.simulation.room_candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = """
import asyncio, sys
from pathlib import Path
from worker.simulation.livekit_server import LiveKitServer

async def main():
    async with LiveKitServer(Path(sys.argv[1])) as server:
        print(server.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def check(server: LiveKitServer) -> None:
    await server.client.check(budget_s=5)


def exists(path: Path) -> bool:
    return path.exists()


def occupying(ports: Ports, taken: str) -> socket.socket:
    """Return a socket of another program on one of these ports."""
    port = getattr(ports, taken)
    if taken == "rtc_udp":
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", port))
        return udp
    return socket.create_server(("127.0.0.1", port))


def bound_addresses(server: LiveKitServer) -> Iterator[str]:
    """Return the server's listening addresses, as /proc/PID/net shows them (proc(5))."""
    links = (os.readlink(link) for link in Path(f"/proc/{server.pid}/fd").iterdir())
    inodes = {link.removeprefix("socket:[")[:-1] for link in links if link.startswith("socket:")}
    listening = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
    for table, state in listening.items():
        for line in Path(f"/proc/{server.pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == state and columns[9] in inodes:
                address, port = columns[1].split(":")
                shown = socket.inet_ntoa(bytes.fromhex(address)[::-1]) if len(address) == 8 else ""
                yield f"{shown or address}:{int(port, 16)}"


async def test_the_server_answers_and_accepts_only_its_own_key(
    livekit_server: LiveKitServer,
) -> None:
    await check(livekit_server)
    stranger = LiveKitClient(livekit_server.url, livekit_server.api_key, "x" * 48)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.check(budget_s=5)


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's table of sockets")
def test_the_server_listens_only_on_loopback(livekit_server: LiveKitServer) -> None:
    assert set(bound_addresses(livekit_server)) == {
        f"127.0.0.1:{livekit_server.ports.signal}",
        f"127.0.0.1:{livekit_server.ports.rtc_udp}",
    }


@pytest.mark.parametrize("taken", ["signal", "rtc_udp"])
async def test_a_port_taken_by_another_program_is_replaced(
    livekit_binary: Path, taken: str
) -> None:
    server = LiveKitServer(livekit_binary)
    chosen = server.ports
    with occupying(chosen, taken):
        async with server:
            assert getattr(server.ports, taken) != getattr(chosen, taken)
            await check(server)


async def test_another_livekit_server_on_the_port_is_not_mistaken_for_ours(
    livekit_binary: Path, livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ports, "free", lambda: livekit_server.ports)
        server = LiveKitServer(livekit_binary)
    async with server:
        assert server.url != livekit_server.url
        await check(server)
    await check(livekit_server)


async def test_a_killed_server_restarts_on_its_ports_without_its_rooms(
    livekit_binary: Path,
) -> None:
    async with LiveKitServer(livekit_binary) as server:
        client = server.client
        await client.create_room("a-room")
        await server.kill()
        assert server.pid is None
        with pytest.raises(LiveKitUnreachable):
            await client.create_room("a-room")
        await server.restart()
        await check(server)
        assert not await client.delete_room("a-room")


async def test_a_kept_connection_works_again_after_the_server_was_killed(
    livekit_binary: Path,
) -> None:
    async with (
        LiveKitServer(livekit_binary) as server,
        LiveKitConnection(server.url, server.api_key, server.api_secret) as connection,
    ):
        await connection.create_room("a-room")
        assert await connection.rooms_with_participants(["a-room"]) == {"a-room": 0}
        await server.kill()
        with pytest.raises(LiveKitUnreachable):
            await connection.rooms_with_participants(["a-room"])
        await server.restart()
        await check(server)
        assert await connection.rooms_with_participants(["a-room"]) == {}


async def test_stopping_ends_the_server_with_a_candidate_in_a_room(livekit_binary: Path) -> None:
    server = LiveKitServer(livekit_binary)
    await server.start()
    token = server.client.candidate_token(room="a-room", identity="candidate")
    async with Candidate(server.url, token):
        await server.stop()
        assert server.pid is None
    assert not exists(server.log_path)


async def test_a_cancelled_start_leaves_no_process(
    livekit_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = LiveKitServer(livekit_binary)
    asked = asyncio.Event()

    async def never_answers(*_: object) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(server, "_answers", never_answers)
    start = asyncio.create_task(server.start())
    await asked.wait()
    pid = server.pid
    assert pid is not None
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await server.stop()


async def test_a_program_that_is_not_livekit_server_is_one_error_and_leaves_nothing() -> None:
    server = LiveKitServer(Path(sys.executable))
    with pytest.raises(LiveKitServerUnavailable, match="exited with 2"):
        async with server:
            pytest.fail("it came up")
    assert not exists(server.log_path.parent)


@pytest.mark.skipif(sys.platform != "linux", reason="the guard is the Linux kernel's")
def test_the_server_dies_with_the_process_that_started_it(
    livekit_binary: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(livekit_binary)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as parent:
        assert parent.stdout is not None
        server = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([server], [], [], 60)
    os.close(server)
    assert ended
