"""The data that participants send to a job's room: the limits, and which data is read."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from livekit import rtc
from livekit.agents.types import TOPIC_CHAT

from worker.aio.tasks import cancel_and_wait, log_failure
from worker.transport.data_limits import LEAST_BYTES, MOST_STREAM_BYTES, SenderLimits
from worker.transport.data_right import DataRights, TakeDataRight
from worker.transport.room_guard import Incoming, guard
from worker.transport.typed_streams import TypedStreams
from worker.transport.unseen_data import UnseenData, received

if TYPE_CHECKING:
    from livekit.agents import Agent

#: Seconds after the candidate has left in which data may still be the candidate's: data of which
#: the SDK reports no event is counted one to two seconds late.
_LATE_S: Final = 3.0


@runtime_checkable
class ReadsText(Protocol):
    """An agent that handles typed messages itself."""

    async def on_text(self, text: str) -> None:
        """Handle one typed message: a line of any length without control characters.

        A LiveKit room delivers at most 80,000 bytes (UTF-8) of a message. Errors must not contain
        personal data.
        """
        ...


@runtime_checkable
class NotesRefusedText(Protocol):
    """An agent with a method that is called for each typed message that the agent does not get."""

    def text_refused(self, *, for_good: bool) -> None:
        """Handle the refusal of a typed message; with `for_good`, of all later messages too."""
        ...


class InboundData:
    """Decides, before the SDK stores data from participants, whether the job accepts the data.

    - Typed messages of the candidate are read: each up to a maximum length, and a few at a time.
    - Data that no code in this process reads is released at once, and its topic is not logged.
    - A participant that exceeds the limits of `data_limits` loses the right to publish data. Agents
      are exempt from the limits, because a candidate's token does not allow joining as an agent.
    - Data of which the SDK reports no event also counts towards the limits, one to two seconds
      after its arrival.
    - Data without a named sender counts as data of the candidate, also shortly after the candidate
      has left, or else as data of the only person in the room. While another agent is in the room
      such data may be the agent's, and is not counted.

    Args:
        room: The room, before it is connected.
        candidate: Returns the identity of the person to whom the agent listens, if there is one.
        take_right: Takes away a participant's right to publish data; None if the job cannot take
            away the right.
    """

    def __init__(
        self,
        room: rtc.Room,
        candidate: Callable[[], str | None],
        take_right: TakeDataRight | None,
    ) -> None:
        self._room = room
        self._candidate = candidate
        self._limits = SenderLimits()
        self._rights = DataRights(take_right)
        self._unseen = UnseenData(lambda: received(room), self._count_unseen)
        self._watching: asyncio.Task[None] | None = None
        self._typed: TypedStreams | None = None
        self._notes: NotesRefusedText | None = None
        #: Event-loop time at which each person has left the room.
        self._left_s: dict[str, float] = {}
        room.on("participant_disconnected", self._note_left)
        guard(room, self.admits, most_stream_bytes=MOST_STREAM_BYTES)

    def watch(self) -> None:
        """Start to count the received data for which the SDK reports no event.

        Call this method when the room is connected.
        """
        self._watching = asyncio.create_task(self._unseen.run(), name="watch-unseen-data")
        self._watching.add_done_callback(log_failure)

    def read_text(self, agent: Agent) -> None:
        """Pass the candidate's typed messages to the agent from now on, if the agent reads text.

        Raises ValueError if the room has another handler of typed messages.
        """
        self._notes = agent if isinstance(agent, NotesRefusedText) else None
        if isinstance(agent, ReadsText):
            self._typed = TypedStreams(agent.on_text)
            self._room.register_text_stream_handler(TOPIC_CHAT, self._typed.open)

    def admits(self, incoming: Incoming) -> bool:
        """Count data that a participant has sent, and return whether it may be kept."""
        if incoming.is_packet:
            self._unseen.seen(incoming.size)
        sender = self._likely_sender() if incoming.sender is None else incoming.sender
        if not sender or self._is_agent(sender):
            return True
        if not self._within(sender, size=incoming.size, messages=incoming.messages):
            return False
        return incoming.text_topic != TOPIC_CHAT or self._admits_text(sender, incoming)

    def stop_text(self) -> None:
        """Read no more typed messages, and cancel the handling of the messages that were read."""
        typed, self._typed = self._typed, None
        if typed is not None:
            self._room.unregister_text_stream_handler(TOPIC_CHAT)
            typed.stop()

    async def aclose(self) -> None:
        """Read no more typed messages, and stop taking away the right to publish data."""
        self.stop_text()
        if self._watching is not None:
            await cancel_and_wait(self._watching)
        await self._rights.aclose()

    def _count_unseen(self, messages: int, size: int) -> None:
        """Count data of which the SDK has reported no event."""
        sender = self._likely_sender()
        if sender is not None:
            self._within(sender, size=max(size, messages * LEAST_BYTES), messages=messages)

    def _within(self, sender: str, *, size: int, messages: int) -> bool:
        """Count data of a person.

        If the person exceeds the limits, take away the person's right to publish data.
        """
        known = self._limits.is_beyond(sender)
        now_s = asyncio.get_running_loop().time()
        if self._limits.within(sender, size=size, messages=messages, now_s=now_s):
            return True
        self._rights.take(sender)
        if not known and sender == self._candidate():
            self._refuse(for_good=True)
        return False

    def _admits_text(self, sender: str, incoming: Incoming) -> bool:
        if self._typed is None or sender != self._candidate():
            return False
        if self._typed.full or incoming.declared_size > MOST_STREAM_BYTES:
            self._refuse(for_good=False)
            return False
        return True

    def _refuse(self, *, for_good: bool) -> None:
        if self._notes is not None:
            self._notes.text_refused(for_good=for_good)

    def _is_agent(self, identity: str) -> bool:
        person = self._room.remote_participants.get(identity)
        return person is not None and is_agent(person)

    def _note_left(self, person: rtc.RemoteParticipant) -> None:
        self._left_s[person.identity] = asyncio.get_running_loop().time()

    def _likely_sender(self) -> str | None:
        """Return the assumed sender of data without a named sender; None if there is none.

        The candidate is assumed if present, or gone for less than `_LATE_S` seconds, even if other
        people are in the room: the operator has invited these people, so they are trusted not to
        flood the room. Without the candidate, the only person in the room is assumed. While an
        agent is in the room, nobody is assumed, because the data may be the agent's.
        """
        if any(is_agent(each) for each in self._room.remote_participants.values()):
            return None
        people = [who.identity for who in people_in(self._room)]
        candidate = self._candidate()
        if candidate is not None:
            left_s = self._left_s.get(candidate, -math.inf)
            if candidate in people or asyncio.get_running_loop().time() - left_s < _LATE_S:
                return candidate
        return people[0] if len(people) == 1 else None


def is_agent(participant: rtc.RemoteParticipant) -> bool:
    """Return whether a participant is an agent. A candidate cannot join as an agent."""
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


def people_in(room: rtc.Room) -> list[rtc.RemoteParticipant]:
    """Return the participants of a room except the agents, in the order in which they joined."""
    return [each for each in room.remote_participants.values() if not is_agent(each)]
