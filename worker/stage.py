"""Where a job takes place: a LiveKit room, the one line into it, and who is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from livekit import rtc
from livekit.agents import NOT_GIVEN, Agent, AgentSession, JobContext
from livekit.agents.types import TOPIC_CHAT
from livekit.agents.voice.room_io import RoomOptions, TextInputEvent, TextInputOptions

from states import Event
from worker import faults
from worker.bounded import bounded
from worker.reach import Reach
from worker.speech.line import Line

logger = logging.getLogger(__name__)

#: Somebody outside ended it; everything else is a loss.
_ENDED_FROM_OUTSIDE = frozenset(
    {
        rtc.DisconnectReason.ROOM_DELETED,
        rtc.DisconnectReason.ROOM_CLOSED,
        rtc.DisconnectReason.PARTICIPANT_REMOVED,
        rtc.DisconnectReason.DUPLICATE_IDENTITY,
    }
)


#: Seconds for the room to take our track: 42 ms (measured), and much more on a busy machine.
_PUBLISH_S = 4.0
#: Seconds for WebRTC's statistics; they take 1 to 5 ms (measured).
_STATS_S = 1.0


@runtime_checkable
class ReadsText(Protocol):
    """An agent that takes typed messages for what they are."""

    async def on_text(self, text: str) -> None:
        """Take one, of any length. Never personal data in what it raises."""
        ...


class Stage(Protocol):
    """A place for one job: somewhere to connect to, one line into it, and a candidate."""

    @property
    def line(self) -> Line:
        """What is heard there of the interviewer."""
        ...

    @property
    def reach(self) -> Reach:
        """Whether it is heard."""
        ...

    @property
    def candidate_is_here(self) -> bool:
        """Whether the candidate is there; any person, where nobody was named yet."""
        ...

    async def connect(self) -> None:
        """The handshake. Raises where it fails."""
        ...

    async def open_line(self) -> None:
        """Make the line audible. Raises where that fails."""
        ...

    def expect(self, candidate_identity: str) -> None:
        """From now on this is the candidate; nobody else is listened to."""
        ...

    async def candidate_moved(self) -> None:
        """Return at the next coming or going of anybody, or where somebody shows another thing."""
        ...

    async def packets_received(self) -> int | None:
        """How many packets of the candidate's microphone have come; None where none are due."""
        ...

    async def start_session(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start the session there. Raises where it cannot."""
        ...

    async def write(self, text: str) -> None:
        """Show the candidate a text. Raises where it cannot."""
        ...

    async def announce(self, attributes: Mapping[str, str]) -> None:
        """Show these to everybody there. Raises where it cannot."""
        ...

    def announced(self) -> Mapping[str, Mapping[str, str]]:
        """What the other agents there show, by their identities."""
        ...

    async def leave(self) -> None:
        """Close the line and leave."""
        ...


class StageMaker(Protocol):
    """Makes the stage of a job; `on_event` is told when it is gone while nobody here left it."""

    def __call__(self, ctx: JobContext, on_event: Callable[[Event], None]) -> Stage:
        """Cheap: nothing is connected yet."""
        ...


class RoomStage:
    """A job's place in a LiveKit room.

    `on_event` gets ROOM_LOST or ROOM_DELETED when the room is gone while nobody here left it.
    """

    def __init__(self, ctx: JobContext, on_event: Callable[[Event], None]) -> None:
        self._ctx = ctx
        self._on_event = on_event
        self._leaving = False
        self._candidate: str | None = None
        self._moved = asyncio.Event()
        self.line = Line()
        self.reach = Reach(self.line, lambda: self.candidate_is_here)
        self.reach.on_gone = lambda: on_event(Event.ROOM_LOST)

    async def connect(self) -> None:
        """The handshake: join the room and nothing else. Raises ConnectError."""
        room = self._ctx.room
        room.on("disconnected", self._on_disconnected)
        room.on("participant_connected", self._on_moved)
        room.on("participant_disconnected", self._on_left)
        room.on("participant_attributes_changed", self._on_moved)
        room.on("reconnecting", self.reach.room_lost)
        room.on("local_track_republished", lambda *_: self.reach.track_replaced())
        room.on("reconnected", self.reach.room_back)
        room.on("local_track_subscribed", lambda _: self.reach.subscribed())
        # Two peer connections: 99 + 6 ms to connect and publish, against 90 + 42 (measured).
        await self._ctx.connect(single_peer_connection=False)

    async def open_line(self) -> None:
        """Publish the line, so that clips can be heard before there is a session.

        Raises TimeoutError and what `Line.publish` does. Nobody waits out the SDK's 10 s: what was
        asked for as LiveKit was restarted is answered by nobody, and another job does better.
        """
        await bounded(self.line.publish(self._ctx.room), _PUBLISH_S)

    def expect(self, candidate_identity: str) -> None:
        """From now on this is the candidate; nobody else is listened to."""
        self._candidate = candidate_identity
        self._moved.set()

    @property
    def candidate_is_here(self) -> bool:
        """Whether the candidate is in the room; any person, where nobody was named yet."""
        people = self._ctx.room.remote_participants
        if self._candidate is not None:
            return self._candidate in people
        return any(
            person.kind != rtc.ParticipantKind.PARTICIPANT_KIND_AGENT for person in people.values()
        )

    async def candidate_moved(self) -> None:
        """Return at the next coming or going of anybody."""
        self._moved.clear()
        await self._moved.wait()

    async def packets_received(self) -> int | None:
        """How many packets of the candidate's microphone have come so far.

        None where none are due: it is muted or not published, none has ever come, or the
        candidate is on the telephone, which may send nothing while nobody speaks.
        """
        person = self._ctx.room.remote_participants.get(self._candidate or "")
        if person is None or person.kind != rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD:
            return None
        for publication in person.track_publications.values():
            if publication.source == rtc.TrackSource.SOURCE_MICROPHONE:
                return await _packets_of(publication)
        return None

    async def start_session(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start the session here, listening to the candidate alone and speaking on the line."""
        session.output.audio = self.line
        options = RoomOptions(
            text_input=_text_input(agent),
            audio_output=False,  # the line is the output
            # Without a name it is the first person who comes.
            participant_identity=self._candidate or NOT_GIVEN,
            close_on_disconnect=False,  # the lifecycle decides what a departure means
        )
        # The session host would let anybody in the room read the instructions and type for
        # the candidate.
        await session.start(
            agent, room=self._ctx.room, room_options=options, session_host=False, record=False
        )

    async def write(self, text: str) -> None:
        """Send the text as a chat message, which is also how a candidate types."""
        sending = self._ctx.room.local_participant.send_text(text, topic=TOPIC_CHAT)
        await faults.at("write", sending)

    async def announce(self, attributes: Mapping[str, str]) -> None:
        """Show these as the attributes of the interviewer's participant."""
        await self._ctx.room.local_participant.set_attributes(dict(attributes))

    def announced(self) -> Mapping[str, Mapping[str, str]]:
        """What the other agents in the room show; one whose process died, for about 20 s."""
        return {
            identity: other.attributes
            for identity, other in self._ctx.room.remote_participants.items()
            if other.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        }

    async def leave(self) -> None:
        """Close the line and leave the room. What the room says of it is not news."""
        self._leaving = True
        self.reach.close()
        await self.line.aclose()
        await self._ctx.room.disconnect()

    def _on_left(self, person: rtc.RemoteParticipant) -> None:
        if person.identity == self._candidate:
            self.reach.person_left()
        self._on_moved()

    def _on_moved(self, *_: object) -> None:
        self._moved.set()
        self.reach.moved()

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if self._leaving:
            return
        deleted = reason in _ENDED_FROM_OUTSIDE
        logger.info("the room is gone", extra={"disconnect_reason": int(reason or 0)})
        self._on_event(Event.ROOM_DELETED if deleted else Event.ROOM_LOST)


async def _packets_of(publication: rtc.RemoteTrackPublication) -> int | None:
    if publication.muted or publication.track is None:
        return None
    try:
        async with asyncio.timeout(_STATS_S):
            statistics = await publication.track.get_stats()
    except Exception:  # of a track that is just being replaced
        return None
    received = (
        each.inbound_rtp.received.packets_received
        for each in statistics
        if each.WhichOneof("stats") == "inbound_rtp"
    )
    return next(received, None) or None


def _text_input(agent: Agent) -> TextInputOptions | bool:
    """The agent's own reading; none for one that does not read.

    livekit's default makes a reply of a typed message, past the agent's hook for turns.
    """
    if not isinstance(agent, ReadsText):
        return False

    async def read(_: AgentSession[Any], event: TextInputEvent) -> None:
        await agent.on_text(event.text)

    return TextInputOptions(text_input_cb=read)
