"""Transport of a job: a LiveKit room, its audio output, and its participants."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from livekit import rtc
from livekit.agents import NOT_GIVEN, Agent, AgentSession, AutoSubscribe, JobContext
from livekit.agents.types import TOPIC_CHAT
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions

from states import Event
from worker import faults
from worker.aio.timeouts import run_with_timeout
from worker.audio.output import MixedAudioOutput
from worker.transport.data_right import TakeDataRight
from worker.transport.inbound_data import InboundData, is_agent, people_in
from worker.transport.microphone import Microphone, first_person
from worker.transport.outbound_monitor import OutboundMonitor

logger = logging.getLogger(__name__)

#: The lifecycle event for each of LiveKit's disconnect reasons that mean the end of the room, or
#: the removal of this agent. Every other disconnect reason means that the room was lost.
_EVENTS: Final[Mapping[rtc.DisconnectReason.ValueType, Event]] = {
    # The room was deleted, or the interviewer was removed, by a call of LiveKit's API.
    rtc.DisconnectReason.ROOM_DELETED: Event.ROOM_DELETED,
    rtc.DisconnectReason.PARTICIPANT_REMOVED: Event.ROOM_DELETED,
    rtc.DisconnectReason.DUPLICATE_IDENTITY: Event.ROOM_DELETED,
    # LiveKit closed the room after its own time-outs. It does so only if no participant but agents
    # and recorders is in the room (livekit-server 1.13.5: `CloseIfEmpty`). The candidate may come
    # back.
    rtc.DisconnectReason.ROOM_CLOSED: Event.ROOM_CLOSED,
}


#: Timeout in seconds for publishing the audio track. Publishing takes 42 ms (measured), and much
#: more on a busy machine.
_PUBLISH_S = 4.0


class Transport(Protocol):
    """Transport of one job: a connection, one audio output, and a candidate."""

    @property
    def line(self) -> MixedAudioOutput:
        """The audio output of the interviewer."""
        ...

    @property
    def reach(self) -> OutboundMonitor:
        """Outbound connectivity: whether the candidate can hear the audio output."""
        ...

    @property
    def candidate_is_here(self) -> bool:
        """True if the candidate is present.

        Before `expect` is called, any person counts as the candidate.
        """
        ...

    async def connect(self) -> None:
        """Connect to the candidate's room. Raises an error if the connection fails."""
        ...

    async def open_line(self) -> None:
        """Open the audio output. Raises an error if the output cannot be opened."""
        ...

    def expect(self, candidate_identity: str) -> None:
        """Set the candidate's identity. All other participants are ignored from now on."""
        ...

    async def candidate_moved(self) -> None:
        """Return when a participant next joins, leaves or changes attributes."""
        ...

    async def packets_received(self) -> int | None:
        """Return the packet count of the candidate's microphone; None if no packet is expected."""
        ...

    @property
    def microphone_is_on(self) -> bool:
        """False if the candidate is present with a muted microphone, or without one."""
        ...

    async def start_session(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start the session on this transport. Raises an error if the session does not start."""
        ...

    async def write(self, text: str) -> None:
        """Show the candidate a text. Raises an error if the text cannot be sent."""
        ...

    async def announce(self, attributes: Mapping[str, str]) -> None:
        """Show `attributes` to all participants.

        Raises an error if the attributes cannot be set.
        """
        ...

    def announced(self) -> Mapping[str, Mapping[str, str]]:
        """Return the attributes of the other agents, by their identities."""
        ...

    async def leave(self) -> None:
        """Close the audio output, and end the connection."""
        ...


class TransportMaker(Protocol):
    """Creates a job's transport. `on_event` is called if the room is lost before `leave`."""

    def __call__(self, ctx: JobContext, on_event: Callable[[Event], None]) -> Transport:
        """Create the transport, but do not connect it. The call must be cheap."""
        ...


class LiveKitTransport:
    """Transport of a job in a LiveKit room.

    `on_event` gets ROOM_LOST, ROOM_CLOSED or ROOM_DELETED when the room is gone without a call to
    `leave`.

    The job subscribes to only one track: a microphone of the candidate. The data that participants
    send is limited (`InboundData`), and byte streams are not accepted.

    Args:
        take_data_right: Takes the right to publish data away from a participant who sends too much
            data. None if the job cannot take the right away and can only drop the data.
    """

    def __init__(
        self,
        ctx: JobContext,
        on_event: Callable[[Event], None],
        *,
        take_data_right: TakeDataRight | None = None,
    ) -> None:
        self._ctx = ctx
        self._on_event = on_event
        self._leaving = False
        self._candidate: str | None = None
        self._moved = asyncio.Event()
        self.line = MixedAudioOutput()
        self.reach = OutboundMonitor(self.line, lambda: self.candidate_is_here)
        self.reach.on_gone = lambda: on_event(Event.ROOM_LOST)
        self._inbound = InboundData(ctx.room, self._person, take_data_right)
        self._microphone = Microphone(ctx.room, self._person)

    async def connect(self) -> None:
        """Join the room without publishing anything.

        Raises ConnectError if the room cannot be joined.
        """
        room = self._ctx.room
        room.on("disconnected", self._on_disconnected)
        room.on("participant_connected", self._on_moved)
        room.on("participant_disconnected", self._on_left)
        room.on("participant_attributes_changed", self._on_moved)
        room.on("reconnecting", self.reach.room_lost)
        room.on("local_track_republished", lambda *_: self.reach.track_replaced())
        room.on("reconnected", self.reach.room_back)
        room.on("local_track_subscribed", lambda _: self.reach.subscribed())
        # With two peer connections, connecting takes 99 ms and publishing 6 ms. With one peer
        # connection, connecting takes 90 ms and publishing 42 ms (measured).
        await self._ctx.connect(
            auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE, single_peer_connection=False
        )
        self._microphone.look()
        self._inbound.watch()

    async def open_line(self) -> None:
        """Publish the audio output, so that clips can be heard before there is a session.

        Raises TimeoutError if publishing takes longer than `_PUBLISH_S`, and any error of
        `MixedAudioOutput.publish`. The SDK's own timeout for publishing, 10 s, is too long: LiveKit
        never answers a request that was made during its restart, and a new job can serve the
        candidate before the 10 s are over.
        """
        await run_with_timeout(self.line.publish(self._ctx.room), _PUBLISH_S)

    def expect(self, candidate_identity: str) -> None:
        """Set the candidate's identity. All other participants are ignored from now on."""
        self._candidate = candidate_identity
        self._microphone.look()
        self._moved.set()

    @property
    def candidate_is_here(self) -> bool:
        """True if the candidate is in the room.

        Before `expect` is called, any person counts as the candidate.
        """
        people = self._ctx.room.remote_participants
        if self._candidate is not None:
            return self._candidate in people
        return bool(people_in(self._ctx.room))

    async def candidate_moved(self) -> None:
        """Return when a participant next joins, leaves or changes attributes."""
        self._moved.clear()
        await self._moved.wait()

    async def packets_received(self) -> int | None:
        """Return the number of packets received from the candidate's microphone so far.

        Returns None if no packets are expected, because the microphone is muted or not published,
        because no packet has ever come, or because the candidate is on the telephone. A telephone
        may send nothing during silence.
        """
        return await self._microphone.packets_received()

    @property
    def microphone_is_on(self) -> bool:
        """False if the candidate is present with a muted microphone, or without one."""
        return self._microphone.is_on

    async def start_session(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start the session in the room. The session listens only to the candidate.

        The session uses the transport's audio output.
        """
        session.output.audio = self.line
        options = RoomOptions(
            text_input=False,  # `InboundData` reads typed text, with limits
            # Turn off the audio from before the session: it comes as a byte stream without a limit
            # of its decoded size.
            audio_input=AudioInputOptions(pre_connect_audio=False),
            audio_output=False,  # our own audio output is set above
            # Without an identity the session takes the first person who joins.
            participant_identity=self._candidate or NOT_GIVEN,
            close_on_disconnect=False,  # the lifecycle handles the candidate's departure
        )
        session.on("close", lambda _: self._inbound.stop_text())
        # The session host would let any participant read the instructions and type for the
        # candidate.
        await session.start(
            agent, room=self._ctx.room, room_options=options, session_host=False, record=False
        )
        self._inbound.read_text(agent)

    async def write(self, text: str) -> None:
        """Send the text as a chat message, on the topic that a client uses for typed messages."""
        sending = self._ctx.room.local_participant.send_text(text, topic=TOPIC_CHAT)
        await faults.at("write", sending)

    async def announce(self, attributes: Mapping[str, str]) -> None:
        """Set these attributes on the interviewer's participant."""
        await self._ctx.room.local_participant.set_attributes(dict(attributes))

    def announced(self) -> Mapping[str, Mapping[str, str]]:
        """Return the attributes of the other agents. A dead agent stays listed for about 20 s."""
        return {
            identity: other.attributes
            for identity, other in self._ctx.room.remote_participants.items()
            if is_agent(other)
        }

    async def leave(self) -> None:
        """Close the audio output and leave the room, without a call of `on_event`."""
        self._leaving = True
        self.reach.close()
        await self.line.aclose()
        self._microphone.close()
        await self._inbound.aclose()
        await self._ctx.room.disconnect()

    def _person(self) -> str | None:
        """Return the candidate's identity.

        Before `expect` is called, return the identity of the person who joined first.
        """
        return self._candidate or first_person(self._ctx.room)

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
        logger.info(
            "the job was disconnected from the room",
            extra={"event": "room_disconnected", "disconnect_reason": int(reason or 0)},
        )
        self._on_event(_EVENTS.get(reason, Event.ROOM_LOST))
