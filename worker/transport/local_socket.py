"""Transport of a job without LiveKit: a Unix socket with a candidate at its other end.

The lifecycle, the resources and the session are the same as in any job; only the room is missing.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit import rtc
from livekit.agents.utils import shortuuid
from livekit.agents.voice import TranscriptSynchronizer, io

from worker.aio.tasks import cancel_and_wait
from worker.audio.frames import frame_of, samples_of
from worker.audio.output import MixedAudioOutput
from worker.audio.sinks import QueueSink
from worker.transport.local_protocol import SAMPLE_RATE, Sound, Wire, WireBroken, Words
from worker.transport.outbound_monitor import OutboundMonitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from livekit.agents import Agent, AgentSession, JobContext

    from states import Event

logger = logging.getLogger(__name__)

#: Environment variable with the path of the candidate's socket. The variable is not a setting,
#: because the program that starts a worker without LiveKit sets it.
SOCKET_VARIABLE: Final = "INTERVIEW_LOCAL_SOCKET"


class NoCandidateSocket(Exception):
    """Raised if a job has no room, and its environment names no socket to use instead."""

    def __init__(self) -> None:
        super().__init__(f"a job without a room needs {SOCKET_VARIABLE}")


class SocketTransport:
    """Transport of a job over a Unix socket on which its candidate waits.

    The candidate is present from the handshake until the connection ends, and cannot come back.
    `on_event` is never called, since there is no room to lose.
    """

    def __init__(self, ctx: JobContext, on_event: Callable[[Event], None]) -> None:
        self._wire: Wire | None = None
        self._here = False
        self._moved = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self._voice = CandidateVoice()
        self._captions: TranscriptSynchronizer | None = None
        self.line = MixedAudioOutput(QueueSink(self._deliver, sample_rate=SAMPLE_RATE))
        self.reach = OutboundMonitor(self.line, lambda: self._here)  # no room to lose

    async def connect(self) -> None:
        """Connect to the socket.

        Raises NoCandidateSocket if the environment names no socket, and OSError if no process
        listens on the socket.
        """
        path = os.environ.get(SOCKET_VARIABLE)
        if not path:
            raise NoCandidateSocket
        self._wire = await Wire.connect(Path(path))
        self._here = True
        self._listener = asyncio.create_task(self._listen(self._wire), name="local-stage")

    async def open_line(self) -> None:
        """Start audio playback."""
        await self.line.publish()

    def expect(self, candidate_identity: str) -> None:
        """Ignore the identity, because the process at the other end is the candidate."""
        self._moved.set()

    @property
    def candidate_is_here(self) -> bool:
        """True while the connection is open."""
        return self._here

    async def candidate_moved(self) -> None:
        """Return when the candidate has left, or `expect` was called."""
        self._moved.clear()
        await self._moved.wait()

    async def packets_received(self) -> int | None:
        """Return None, because a socket loses no packets."""
        return None

    async def start_session(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start the session on the socket, with captions like those of a room."""
        if self._wire is None:
            raise RuntimeError("the transport is not connected")
        captions = TranscriptSynchronizer(
            next_in_chain_audio=self.line, next_in_chain_text=CaptionOutput(self._wire)
        )
        self._captions = captions
        session.input.audio = self._voice
        session.output.audio = captions.audio_output
        session.output.transcription = captions.text_output
        await session.start(agent, session_host=False, record=False)

    async def write(self, text: str) -> None:
        """Send the text as a caption."""
        if self._wire is not None:
            self._wire.post(Words(segment=shortuuid("SG_"), text=text, final=True))

    async def announce(self, attributes: Mapping[str, str]) -> None:
        """Do nothing, because there is no other participant."""

    def announced(self) -> Mapping[str, Mapping[str, str]]:
        """Return an empty mapping, because there is no other participant."""
        return {}

    async def leave(self) -> None:
        """Close the audio output and the connection."""
        await self.line.aclose()
        if self._captions is not None:
            await self._captions.aclose()
        if self._listener is not None:
            await cancel_and_wait(self._listener)
        if self._wire is not None:
            await self._wire.aclose()

    async def _deliver(self, frame: rtc.AudioFrame) -> None:
        if self._wire is not None and self._here:
            await self._wire.send(Sound(samples=samples_of(frame)))

    async def _listen(self, wire: Wire) -> None:
        try:
            while (message := await wire.receive()) is not None:
                if isinstance(message, Sound):
                    self._voice.push(frame_of(message.samples, SAMPLE_RATE))
        except WireBroken as error:
            logger.error(
                "the socket received invalid data instead of a candidate's message: %s",
                error,
                extra={"event": "candidate_message_invalid"},
            )
        finally:
            self._here = False
            self._voice.end()
            self._moved.set()


class CandidateVoice(io.AudioInput):
    """Audio input from the candidate. Audio is dropped until a session is attached."""

    def __init__(self) -> None:
        super().__init__(label="SocketTransport")
        self._attached = False
        self._frames: asyncio.Queue[rtc.AudioFrame | None] = asyncio.Queue()

    def push(self, frame: rtc.AudioFrame) -> None:
        """Queue the next frame, if a session listens."""
        if self._attached:
            self._frames.put_nowait(frame)

    def end(self) -> None:
        """Mark the end of the audio."""
        self._frames.put_nowait(None)

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await self._frames.get()
        if frame is None:
            self._frames.put_nowait(None)  # so that a later call ends as well
            raise StopAsyncIteration
        return frame

    def on_attached(self) -> None:
        """Accept frames from now on, because a session listens."""
        self._attached = True

    def on_detached(self) -> None:
        """Drop frames from now on, because no session listens."""
        self._attached = False


class CaptionOutput(io.TextOutput):
    """Sends the spoken text as one growing caption for each utterance."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(label="SocketTransport", next_in_chain=None)
        self._wire = wire
        self._segment = shortuuid("SG_")
        self._text = ""

    async def capture_text(self, text: str) -> None:
        """Append text to the caption of the current utterance, and send it."""
        self._text += text
        self._post(final=False)

    def flush(self) -> None:
        """Send the final caption of the utterance, and begin the next caption."""
        if self._text:
            self._post(final=True)
        self._segment = shortuuid("SG_")
        self._text = ""

    def _post(self, *, final: bool) -> None:
        self._wire.post(Words(segment=self._segment, text=self._text, final=final))
