"""Transport of a job without a LiveKit room, for tests and rehearsals of an agent.

Code in the same process simulates the candidate and other agents: the code sends and receives audio
frames and texts, and makes the candidate or an agent join or leave. The transport uses no network,
no server, and no clock but the event loop's, so an interview can run in virtual time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from livekit.agents.voice import io

from worker.audio.dsp import VOICE_SAMPLE_RATE
from worker.audio.frames import frame_of, pieces_of
from worker.audio.output import MixedAudioOutput
from worker.audio.sinks import QueueSink
from worker.transport.inbound_data import ReadsText
from worker.transport.outbound_monitor import OutboundMonitor
from worker.transport.typed_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from livekit import rtc
    from livekit.agents import Agent, AgentSession, JobContext

    from states import Event

#: Length in seconds of each frame of the candidate's audio, equal to that of the frames that
#: livekit-agents takes from a room (`RoomOptions`, `AudioInputOptions.frame_size_ms`). The length
#: decides how often a VAD and an STT are called, and so when they notice the end of speech.
FRAME_S: Final = 0.05


def _ignore(_: object) -> None:
    """Do nothing with a frame or an event."""


class CandidateMicrophone(io.AudioInput):
    """The candidate's audio in real time: the queued frames, and silence while none are queued.

    Args:
        silence: A frame of `FRAME_S` seconds that is heard while no frame is queued. By default
            digital silence at 24 kHz, the sample rate that livekit-agents takes from a room.
    """

    def __init__(self, silence: rtc.AudioFrame | None = None) -> None:
        super().__init__(label="CandidateMicrophone")
        if silence is None:
            zeros = np.zeros(round(FRAME_S * VOICE_SAMPLE_RATE), np.int16)
            silence = frame_of(zeros, VOICE_SAMPLE_RATE)
        self._silence = silence
        self._due = 0.0
        #: Frames that are not heard yet, the next one first.
        self.queued: list[rtc.AudioFrame] = []
        #: Set while no queued audio is left, and silence is delivered.
        self.idle = asyncio.Event()
        self._connected = asyncio.Event()
        self._connected.set()
        #: Timer that sets `_connected` when the time given to `lose_for` is over.
        self._returning: asyncio.TimerHandle | None = None

    def say(self, frames: Iterable[rtc.AudioFrame]) -> None:
        """Queue mono frames, all of one sample rate.

        `idle` is set once all queued frames are delivered.
        """
        self.queued.extend(piece for frame in frames for piece in pieces_of(frame, FRAME_S))
        self.idle.clear()

    def lose_for(self, seconds: float) -> None:
        """Deliver no frames, not even silence, for `seconds`, and drop the queued frames.

        If two losses overlap, audio returns when both losses have ended.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if self._returning is not None:
            until = max(until, self._returning.when())
            self._returning.cancel()
        self._returning = loop.call_at(until, self._connected.set)
        self._connected.clear()
        self.queued.clear()

    async def __anext__(self) -> rtc.AudioFrame:
        await self._connected.wait()
        now = asyncio.get_running_loop().time()
        # A slow session gets at most one late frame of silence. Earlier frames of silence are
        # skipped.
        self._due = max(self._due, now - FRAME_S) + FRAME_S
        await asyncio.sleep(self._due - now)
        if self.queued:
            return self.queued.pop(0)
        self.idle.set()
        return self._silence


class InMemoryTransport:
    """Transport of a job without a LiveKit room.

    A test of an agent creates a session and uses the transport with it. Create the transport on a
    running event loop:

        heard = []
        transport = InMemoryTransport(on_frame=heard.append)
        await transport.open_line()
        await transport.start_session(session, agent)
        transport.microphone.say([frame])     # the candidate speaks
        await transport.microphone.idle.wait()
        await transport.type_text("No, wait.")  # the candidate types
        transport.move(here=False)            # the candidate leaves
        await session.aclose()
        await transport.leave()

    The class is also a `TransportMaker`, so that it may take the place of `LiveKitTransport` in a
    job. The candidate is present from the start, and hears the audio at once.

    Args:
        ctx: Not used; present because a job passes its context to every transport.
        on_event: Called by code that simulates the room, for example with `Event.ROOM_LOST`. The
            transport itself fires no event, because it has no room to lose.
        line: The audio output; by default an output that calls `on_frame`.
        microphone: The candidate's microphone; by default a microphone that delivers digital
            silence.
        on_frame: Called with each frame of at most 50 ms (24 kHz mono) when it becomes audible.
    """

    def __init__(
        self,
        ctx: JobContext | None = None,
        on_event: Callable[[Event], None] = _ignore,
        *,
        line: MixedAudioOutput | None = None,
        microphone: CandidateMicrophone | None = None,
        on_frame: Callable[[rtc.AudioFrame], None] = _ignore,
    ) -> None:
        async def deliver(frame: rtc.AudioFrame) -> None:
            on_frame(frame)

        self.on_event = on_event
        self.line = line or MixedAudioOutput(QueueSink(deliver))
        self.microphone = microphone or CandidateMicrophone()
        #: True while the candidate is present: see `move`.
        self.candidate_is_here = True
        #: False to simulate a candidate whose microphone is muted or missing.
        self.microphone_is_on = True
        self.reach = OutboundMonitor(self.line, lambda: self.candidate_is_here)
        #: The agent of the session; None until the session is started.
        self.agent: Agent | None = None
        #: The texts that the candidate was shown, in order.
        self.written: list[str] = []
        #: The attributes that all participants see of this job's agent.
        self.shown: dict[str, str] = {}
        #: The attributes of the other agents, by identity: see `show`.
        self.others: dict[str, dict[str, str]] = {}
        self._moved = asyncio.Event()

    # --- what the candidate and other agents do ---------------------------------------------------

    def move(self, *, here: bool) -> None:
        """Let the candidate leave, or come back."""
        self.candidate_is_here = here
        if not here:
            self.reach.person_left()
        self._moved.set()
        self.reach.moved()

    async def type_text(self, text: str) -> None:
        """Pass a typed message of the candidate to the agent, if the agent reads text.

        Raises any error of the agent's `on_text`.
        """
        words = clean_text(text)
        if words and isinstance(self.agent, ReadsText):
            await self.agent.on_text(words)

    def show(self, identity: str, **attributes: str) -> None:
        """Set the attributes of another agent, which joins if it has not joined yet."""
        self.others[identity] = attributes
        self._moved.set()

    # --- what the job does ------------------------------------------------------------------------

    async def connect(self) -> None:
        """Return at once, because there is nothing to connect to."""

    async def open_line(self) -> None:
        """Start audio playback."""
        await self.line.publish()

    def expect(self, candidate_identity: str) -> None:
        """Let `candidate_moved` return. The identity is ignored: there is only one candidate."""
        self._moved.set()

    async def candidate_moved(self) -> None:
        """Return when the candidate or another agent next joins, leaves or changes attributes."""
        self._moved.clear()
        await self._moved.wait()

    async def packets_received(self) -> int | None:
        """Return None, because there are no packets."""
        return None

    async def start_session(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start the session with the microphone as its input and `line` as its output."""
        self.agent = agent
        session.input.audio = self.microphone
        session.output.audio = self.line
        await session.start(agent, session_host=False, record=False)

    async def write(self, text: str) -> None:
        """Append the text to `written`."""
        self.written.append(text)

    async def announce(self, attributes: Mapping[str, str]) -> None:
        """Store the attributes in `shown`."""
        self.shown = dict(attributes)

    def announced(self) -> Mapping[str, Mapping[str, str]]:
        """Return the attributes of the other agents, by identity."""
        return self.others

    async def leave(self) -> None:
        """Close the audio output."""
        self.reach.close()
        await self.line.aclose()
