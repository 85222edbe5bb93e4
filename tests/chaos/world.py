"""The real parts of a run: LiveKit, PostgreSQL, three providers behind lines, three machines."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import asyncpg
from breakable import THANKS, socket_of
from running_worker import eventually
from stand_ins.deepgram import DeepgramStandIn
from stand_ins.elevenlabs import ElevenLabsStandIn
from stand_ins.openai import OpenAIStandIn
from stand_ins.tcp_proxy import TcpProxy

from chaos.machine import Machine
from chaos.schedule import WORKERS
from worker.demo.child_process import start_child
from worker.demo.livekit_server import LiveKitServer
from worker.store.embedded_layout import Layout, check_data_dir, programs
from worker.store.embedded_server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


#: Over the worker's defaults, which are what is tried.
_SETTINGS: Final = {
    "INTERVIEW_EMBEDDED": "0",
    "INTERVIEW_AGENT_NAME": "chaos-interviewer",
    "INTERVIEW_SLOTS": "4",
    "INTERVIEW_IDLE_PROCESSES": "1",
    "INTERVIEW_DRAIN_S": "20",
    # More deaths in one interview than anybody meets in five minutes.
    "INTERVIEW_REDISPATCH_TRIES": "20",
    "INTERVIEW_STT": "deepgram,local",
    "INTERVIEW_TTS": "elevenlabs,local",
    "INTERVIEW_LLM": "openai,scripted",
    # The voice itself is what is tried, so nothing is spoken ahead of time.
    "INTERVIEW_PREPARED_SPEECH": "0",
}
#: Where each provider is, by the resource that it serves.
_PROVIDERS: Final = {
    "stt": DeepgramStandIn.url_variable,
    "tts": ElevenLabsStandIn.url_variable,
    "llm": OpenAIStandIn.url_variable,
}
_TESTS: Final = Path(__file__).parents[1]


class Postgres:
    """A PostgreSQL that can be shut down, killed and started again, at the same address."""

    def __init__(self, folder: Path) -> None:
        self._layout = Layout.of(folder)
        check_data_dir(self._layout)
        self._layout.log.touch()
        self._server = Server(self._layout, programs(self._layout))
        #: Without the line, for whoever looks on.
        self.url = self._layout.url

    async def start(self) -> None:
        """Start it, and wait until it takes connections."""
        await self._server.start()

    async def stop(self) -> None:
        """Shut it down: its sessions are cut off, its data written."""
        await self._server.stop()

    async def kill(self) -> None:
        """End it at once, as a crash does; its sessions end with it."""
        pid = int((self._layout.cluster / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        await self._server.wait()


class World:
    """What a run happens in."""

    def __init__(
        self,
        *,
        livekit: LiveKitServer,
        postgres: Postgres,
        lines: Mapping[str, TcpProxy],
        machines: tuple[Machine, ...],
    ) -> None:
        self.livekit = livekit
        self.postgres = postgres
        #: To the database and the providers.
        self.lines = lines
        self.machines = machines

    async def end(self) -> list[str]:
        """End the workers; returns what they leave behind, in words."""
        left = [each for machine in self.machines for each in await machine.end()]
        connection = await asyncpg.connect(self.postgres.url)
        try:
            query = "SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL"
            sessions = await connection.fetchval(query) - 1  # this one
        finally:
            await connection.close()
        return left + ([f"{sessions} sessions of the database"] if sessions else [])


@asynccontextmanager
async def running_world(binary: Path) -> AsyncIterator[World]:
    """All of it, running; gone with the block."""
    # Not a private folder: root's PostgreSQL runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="interview-chaos-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        livekit = await stack.enter_async_context(LiveKitServer(binary))
        postgres = Postgres(folder)
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        lines, settings = await _lines(stack, postgres, folder)
        machines = tuple(Machine(number, livekit, settings, folder) for number in range(WORKERS))
        for machine in machines:
            stack.push_async_callback(machine.remove)
        # One first: it makes the schema.
        await machines[0].start()
        await asyncio.gather(*(machine.start() for machine in machines[1:]))
        yield World(livekit=livekit, postgres=postgres, lines=lines, machines=machines)


async def _lines(
    stack: AsyncExitStack, postgres: Postgres, folder: Path
) -> tuple[Mapping[str, TcpProxy], dict[str, str]]:
    line = await stack.enter_async_context(TcpProxy(socket_of(postgres.url)))
    lines = {"database": line}
    settings = {
        **_SETTINGS,
        "DATABASE_URL": f"postgresql://postgres@{line.host}:{line.port}/postgres",
    }
    settings |= await _providers(stack, folder)
    for resource, variable in _PROVIDERS.items():
        address = urlsplit(settings[variable])
        line = await stack.enter_async_context(TcpProxy("127.0.0.1", address.port))
        lines[resource] = line
        settings[variable] = f"http://{line.host}:{line.port}{address.path}"
    return lines, settings


async def _providers(stack: AsyncExitStack, folder: Path) -> dict[str, str]:
    """Start the stand-ins, in a process of their own: their models hold up nobody's voice.

    Returns the environment variables that point a worker at them.
    """
    said = folder / "stand-ins.log"
    arguments = ["-m", "stand_ins", "--reply", f"ACKNOWLEDGE: {THANKS}"]
    with said.open("wb") as log:
        process = start_child([sys.executable, *arguments], output=log, cwd=_TESTS)
    stack.callback(process.kill)
    await eventually(lambda: "stand-ins are up" in said.read_text(), "the stand-ins")
    exports = re.findall(r"^export (\w+)=(\S+)$", said.read_text(), re.MULTILINE)
    return {name: value for name, value in exports if not name.startswith("INTERVIEW_")}
