"""The database and the providers of a worker, each behind a proxy that a test can break."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai import OpenAIStandIn
from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.live import broken_plugins
from worker.store.embedded.client import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.stand_ins._server import StandIn

#: Seconds between two pieces of the voice's audio, each 0.25 s long. The audio arrives about as
#: fast as it is played, so that the connection can break in the middle of a sentence.
_VOICE_PACE_S = 0.2
#: Text that the language model says before the plan's own words.
THANKS = "Thank you, that sounds wise."


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Proxies to the database and the providers, by resource, and a switch that breaks the VAD."""

    lines: Mapping[str, TcpProxy]
    #: While this file exists, the VAD fails.
    broken_vad: Path
    #: Settings of a worker that reaches all of them through the proxies, without other providers
    #: for speech.
    settings: Mapping[str, str]
    #: URL of the database without the proxy, for the test itself.
    database_url: str

    def away(self, resource: str) -> None:
        """Simulate a dead server: break all connections and refuse new ones."""
        self.lines[resource].refuse()
        self.lines[resource].cut()

    def stall(self, resource: str) -> None:
        """Keep the connections open, but deliver nothing."""
        self.lines[resource].stall()

    async def heal(self) -> None:
        """Make all parts available again."""
        self.broken_vad.unlink(missing_ok=True)
        for line in self.lines.values():
            await line.heal()


@asynccontextmanager
async def breakable_parts(folder: Path) -> AsyncIterator[Parts]:
    """Start the parts, with their files in `folder`; end them with the block."""
    plugins, broken_vad = folder / "plugins", folder / "vad-is-broken"
    broken_plugins.shadow(plugins, "silero", broken_plugins.silero_breaks_while(broken_vad))
    deepgram, elevenlabs = DeepgramStandIn(), ElevenLabsStandIn()
    openai = OpenAIStandIn(reply=lambda _: f"ACKNOWLEDGE: {THANKS}")
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(await EmbeddedPostgres.start(folder))
        line = await stack.enter_async_context(TcpProxy(socket_of(postgres.url)))
        lines = {"database": line}
        settings = {
            "PYTHONPATH": str(plugins),
            "DATABASE_URL": f"postgresql://postgres@{line.host}:{line.port}/postgres",
            "INTERVIEW_EMBEDDED": "0",
            "INTERVIEW_STT": "deepgram",
            "INTERVIEW_TTS": "elevenlabs",
            "INTERVIEW_LLM": "openai,scripted",
            # The tests exercise the TTS provider, so nothing is synthesised ahead of time.
            "INTERVIEW_PREPARED_SPEECH": "0",
        }
        servers: Mapping[str, StandIn] = {"stt": deepgram, "tts": elevenlabs, "llm": openai}
        for resource, server in servers.items():
            await stack.enter_async_context(server)
            address = urlsplit(server.base_url)
            line = TcpProxy("127.0.0.1", address.port)
            lines[resource] = await stack.enter_async_context(line)
            settings |= server.environment
            settings[server.url_variable] = f"http://{line.host}:{line.port}{address.path}"
        elevenlabs.fault(Fault.slow(chunk_s=_VOICE_PACE_S))
        yield Parts(
            lines=lines, broken_vad=broken_vad, settings=settings, database_url=postgres.url
        )


def socket_of(url: str) -> Path:
    """Return the Unix socket of an embedded PostgreSQL."""
    query = parse_qs(urlsplit(url).query)
    return Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"
