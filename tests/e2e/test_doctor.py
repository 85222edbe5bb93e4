"""`interview-worker doctor` as an operator runs it: on a healthy and on a broken set-up."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from livekit import api

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.support.environment import environment
from tests.support.folders import new_folder
from tests.support.live.running_worker import command, left_behind
from tests.support.live.waiting import answered, eventually
from worker.simulation.child_process import start_child
from worker.simulation.livekit_server import LiveKitServer

pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder outside pytest's own, which the user of root's PostgreSQL cannot enter."""
    made = new_folder("interview-doctor-")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
async def rooms(livekit_server: LiveKitServer) -> AsyncIterator[api.LiveKitAPI]:
    """Yield an API client to list the server's rooms."""
    access = (livekit_server.url, livekit_server.api_key, livekit_server.api_secret)
    async with api.LiveKitAPI(*access) as client:
        yield client


async def doctors_rooms(client: api.LiveKitAPI) -> list[str]:
    answer = await client.room.list_rooms(api.ListRoomsRequest())
    return [room.name for room in answer.rooms if room.name.startswith("doctor-")]


def healthy(server: LiveKitServer, folder: Path) -> dict[str, str]:
    return {
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.api_key,
        "LIVEKIT_API_SECRET": server.api_secret,
        "INTERVIEW_EMBEDDED": "1",
        "INTERVIEW_DATA_DIR": str(folder / "data"),
        "INTERVIEW_HTTP_PORT": "0",
        "INTERVIEW_SLOTS": "2",
    }


async def doctor(
    *arguments: str, settings: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(command, "doctor", *arguments, settings=settings, cwd=folder)


async def none_left(rooms: api.LiveKitAPI) -> None:
    """Wait until the doctor's rooms are gone: a cut-off request may arrive a moment later."""

    async def none() -> bool:
        return not await doctors_rooms(rooms)

    await answered(none, "the end of the doctor's rooms", timeout_s=30)


async def test_a_healthy_setup_is_ok_and_nothing_is_left(
    livekit_server: LiveKitServer, rooms: api.LiveKitAPI, folder: Path
) -> None:
    done = await doctor("--json", settings=healthy(livekit_server, folder), folder=folder)

    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["well"]
    checks = {check["check"]: check for check in answer["checks"]}
    assert {check["verdict"] for check in checks.values()} <= {"ok", "warning"}
    assert checks["livekit.worker"]["facts"]["version"]
    assert checks["livekit.media"]["facts"]["protocols"] == ["udp"]
    assert checks["livekit.media"]["facts"]["heard_ms"] > 0
    assert checks["database.server"]["facts"]["round_trip_ms"] > 0
    assert checks["stt.local"]["facts"]["understood"] >= 4
    await none_left(rooms)
    await eventually(lambda: not left_behind(folder), "the end of every process")


async def test_a_broken_setup_gives_one_line_per_problem_and_exit_1(
    livekit_server: LiveKitServer, folder: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        async with DeepgramStandIn() as deepgram:
            done = await doctor(
                settings={
                    "LIVEKIT_URL": livekit_server.url,
                    "LIVEKIT_API_KEY": livekit_server.api_key,
                    "LIVEKIT_API_SECRET": "not-the-secret" * 4,
                    "INTERVIEW_DATA_DIR": str(folder / "data"),
                    "INTERVIEW_STT": "deepgram,local",
                    "DEEPGRAM_BASE_URL": deepgram.base_url,
                    "DEEPGRAM_API_KEY": "not-the-key",
                    "INTERVIEW_HTTP_PORT": str(port),
                },
                folder=folder,
            )

    assert done.returncode == 1
    assert done.stderr == ""
    assert "Traceback" not in done.stdout
    assert "not-the-" not in done.stdout
    said = " ".join(done.stdout.split())
    for line in (
        "ok livekit.url",
        "WRONG livekit.key the server refused the key -> check LIVEKIT_API_KEY",
        "skip livekit.media needs livekit.key",
        "WRONG database.server no database is configured -> set DATABASE_URL",
        "skip database.schema needs database.server",
        "WRONG stt.deepgram deepgram refuses the key (KeyRefused) -> check DEEPGRAM_API_KEY",
        "ok stt.local",
        f"WRONG machine.port 127.0.0.1:{port} is in use",
        "-> set INTERVIEW_HTTP_PORT to a free port",
    ):
        assert line in said
    await eventually(lambda: not left_behind(folder), "the end of every process")


async def test_blocked_media_is_reported_with_its_ports(livekit_binary: Path, folder: Path) -> None:
    # A documentation-only address (RFC 5737): signalling works, but no media packet arrives.
    nowhere = {"rtc": {"node_ip": "192.0.2.1", "enable_loopback_candidate": False}}
    async with LiveKitServer(livekit_binary, extra_config=nowhere) as server:
        done = await doctor("--json", settings=healthy(server, folder), folder=folder)

    assert done.returncode == 1
    assert done.stderr == ""
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    wrong = [name for name, check in checks.items() if check["verdict"] == "wrong"]
    assert wrong == ["livekit.media"]
    assert "UDP 50000-60000" in checks["livekit.media"]["advice"]
    assert checks["livekit.media"]["seconds"] < 12


@pytest.mark.usefixtures("signals_heeded")
async def test_ctrl_c_leaves_no_room_and_prints_nothing(
    livekit_server: LiveKitServer, rooms: api.LiveKitAPI, folder: Path
) -> None:
    # The server never answers: the doctor waits for seconds and can be interrupted.
    with socket.create_server(("127.0.0.1", 0)) as silent, (folder / "out").open("wb") as output:
        database = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/interviews"
        settings = healthy(livekit_server, folder)
        process = start_child(
            [sys.executable, "-m", "worker", "doctor"],
            output=output,
            env=environment(settings | {"DATABASE_URL": database, "INTERVIEW_EMBEDDED": "0"}),
            cwd=folder,
        )

        async def is_in_its_room() -> bool:
            assert process.poll() is None, "it ended before its room was seen"
            return bool(await doctors_rooms(rooms))

        await answered(is_in_its_room, "the doctor's room", timeout_s=60)
        process.send_signal(signal.SIGINT)
        await eventually(lambda: process.poll() is not None, "the end of the command")

    said = (folder / "out").read_text()
    assert (process.returncode, said) == (130, "")
    await none_left(rooms)
    await eventually(lambda: not left_behind(folder), "the end of every process")
