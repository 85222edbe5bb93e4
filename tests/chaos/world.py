"""The parts of a run: LiveKit, PostgreSQL with a standby, three providers, three machines."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import asyncpg

from tests.chaos.machine import Machine
from tests.chaos.schedule import WORKERS
from tests.chaos.standby import standby_of
from tests.chaos.watch import create_table
from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.openai import OpenAIStandIn
from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.folders import new_folder
from tests.support.live.breakable import THANKS, socket_of
from tests.support.live.waiting import eventually
from tests.support.paths import REPOSITORY
from worker.simulation.child_process import start_child
from worker.simulation.livekit_server import LiveKitServer
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.embedded.layout import Layout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


#: Number of slots of each worker.
_SLOTS: Final = 4
#: Settings that override the worker's defaults. All other defaults are under test.
_SETTINGS: Final = {
    "INTERVIEW_EMBEDDED": "0",
    "INTERVIEW_AGENT_NAME": "chaos-interviewer",
    "INTERVIEW_SLOTS": str(_SLOTS),
    "INTERVIEW_IDLE_PROCESSES": "1",
    "INTERVIEW_DRAIN_S": "20",
    # More deaths of interviewers than any interview has in five minutes.
    "INTERVIEW_REDISPATCH_TRIES": "20",
    "INTERVIEW_STT": "deepgram,local",
    "INTERVIEW_TTS": "elevenlabs,local",
    "INTERVIEW_LLM": "openai,scripted",
    # The run exercises the TTS provider, so nothing is synthesised ahead of time.
    "INTERVIEW_PREPARED_SPEECH": "0",
}
#: The environment variable with each provider's URL, by the resource that it serves.
_PROVIDERS: Final = {
    "stt": DeepgramStandIn.url_variable,
    "tts": ElevenLabsStandIn.url_variable,
    "llm": OpenAIStandIn.url_variable,
}


class Postgres:
    """A PostgreSQL that can be shut down and killed, and that its keeper then starts again.

    It is unavailable for as long as its proxy refuses connections. The keeper is another
    process, because a start in this process would delay the candidates' audio.
    """

    def __init__(self, folder: Path, embedded: EmbeddedPostgres) -> None:
        self._lock_file = Layout.of(folder).cluster / "postmaster.pid"
        #: URL without the proxy, for the test itself.
        self.url = embedded.url

    async def stop(self) -> None:
        """Shut the server down: it cuts off its sessions and writes its data."""
        await self._end(signal.SIGINT)

    async def kill(self) -> None:
        """Kill the server, like a crash; its sessions end with it."""
        await self._end(signal.SIGKILL)

    async def started(self) -> None:
        """Wait until the server accepts connections again."""
        await eventually(lambda: self._lines()[7:8] == ["ready"], "PostgreSQL")

    async def _end(self, number: signal.Signals) -> None:
        pid = self._lines()[0]
        os.kill(int(pid), number)
        await eventually(lambda: self._lines()[:1] != [pid], "the end of PostgreSQL")

    def _lines(self) -> list[str]:
        """Return the lines of the server's lock file: pid first, status last; empty without it."""
        try:
            return [line.strip() for line in self._lock_file.read_text().splitlines()]
        except OSError:
            return []


class World:
    """The parts of a run."""

    def __init__(
        self,
        *,
        livekit: LiveKitServer,
        postgres: Postgres,
        standby_url: str,
        database_url: str,
        lines: Mapping[str, TcpProxy],
        machines: tuple[Machine, ...],
    ) -> None:
        self.livekit = livekit
        self.postgres = postgres
        #: URL of the read-only standby, without the proxy.
        self.standby_url = standby_url
        #: URL of the database through the proxy, as the workers have it.
        self.database_url = database_url
        #: Proxies to the database and the providers, by resource.
        self.lines = lines
        self.machines = machines

    def free_slots(self) -> int:
        """Return the number of free slots of the workers that take interviews.

        It is counted from outside: every job with a living process takes a slot.
        """
        serving = (machine for machine in self.machines if machine.serving)
        return sum(max(0, _SLOTS - len(machine.jobs())) for machine in serving)

    async def end(self) -> list[str]:
        """End the workers; return descriptions of what they leave behind."""
        left = [each for machine in self.machines for each in await machine.end()]
        nodes = {"database": self.postgres.url, "standby": self.standby_url}
        for name, url in nodes.items():
            if sessions := await _sessions(url):
                left.append(f"{sessions} sessions of the {name}")
        return left


async def _sessions(url: str) -> int:
    """Return the number of client sessions of a server, without the one that asks."""
    connection = await asyncpg.connect(url)
    try:
        # A standby that follows the server is no client.
        query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        return int(await connection.fetchval(query)) - 1
    finally:
        await connection.close()


@asynccontextmanager
async def running_world(binary: Path) -> AsyncIterator[World]:
    """Start all parts, and end them with the block."""
    # Not a private folder: under root, PostgreSQL runs as another user.
    folder = new_folder("interview-chaos-")
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        livekit = await stack.enter_async_context(LiveKitServer(binary))
        embedded = await stack.enter_async_context(await EmbeddedPostgres.start(folder))
        postgres = Postgres(folder, embedded)
        await create_table(postgres.url)
        standby_url = await stack.enter_async_context(standby_of(folder, folder / "standby"))
        lines, settings = await _lines(stack, postgres, folder)
        machines = tuple(Machine(number, livekit, settings, folder) for number in range(WORKERS))
        for machine in machines:
            stack.push_async_callback(machine.remove)
        # Start one worker first: it creates the schema.
        await machines[0].start()
        await asyncio.gather(*(machine.start() for machine in machines[1:]))
        yield World(
            livekit=livekit,
            postgres=postgres,
            standby_url=standby_url,
            database_url=settings["DATABASE_URL"],
            lines=lines,
            machines=machines,
        )


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
    """Start the provider test servers in another process, where their models delay no audio.

    Returns the environment variables that point a worker to them.
    """
    said = folder / "stand-ins.log"
    arguments = ["-m", "tests.stand_ins", "--reply", f"ACKNOWLEDGE: {THANKS}"]
    with said.open("wb") as log:
        process = start_child([sys.executable, *arguments], output=log, cwd=REPOSITORY)
    stack.callback(process.wait)
    stack.callback(process.kill)
    await eventually(lambda: "stand-ins are up" in said.read_text(), "the stand-ins")
    exports = re.findall(r"^export (\w+)=(\S+)$", said.read_text(), re.MULTILINE)
    return {name: value for name, value in exports if not name.startswith("INTERVIEW_")}
