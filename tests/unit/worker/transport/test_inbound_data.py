"""What a job takes of the data that participants send; on virtual time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit import rtc
from livekit.rtc._proto.stats_pb2 import RtcStats

from tests.support.virtual.async_steps import for_ever
from worker.transport import inbound_data
from worker.transport.data_limits import MESSAGES, MOST_STREAM_BYTES, MOST_STREAMS
from worker.transport.inbound_data import InboundData
from worker.transport.room_guard import Incoming

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from livekit.agents import Agent

pytestmark = pytest.mark.looptime

PERSON = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


class Reader:
    """An agent that reads text, and notes what it does not get."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.refused: list[bool] = []

    async def on_text(self, text: str) -> None:
        self.read.append(text)
        await for_ever()

    def text_refused(self, *, for_good: bool) -> None:
        self.refused.append(for_good)


class OneMessage:
    """A text stream of one part."""

    async def __aiter__(self) -> AsyncIterator[str]:
        yield "Hello."

    def close(self) -> None:
        """Do nothing."""


class Room:
    """A room with participants, and the handlers of its text streams."""

    def __init__(self, **kinds: int) -> None:
        self.remote_participants = {
            identity: SimpleNamespace(identity=identity, kind=kind)
            for identity, kind in kinds.items()
        }
        self.handlers: dict[str, Callable[..., None]] = {}
        self.leaving: Callable[[Any], None] = lambda _: None
        #: Messages that the data channel has received.
        self.received = 0

    def on(self, event: str, handler: Callable[[Any], None]) -> None:
        assert event == "participant_disconnected"
        self.leaving = handler

    def leaves(self, identity: str) -> None:
        self.leaving(self.remote_participants.pop(identity))

    async def get_rtc_stats(self) -> Any:
        stats = RtcStats()
        stats.data_channel.dc.messages_received = self.received
        stats.data_channel.dc.bytes_received = self.received * 300
        return SimpleNamespace(subscriber_stats=[stats])

    def register_text_stream_handler(self, topic: str, handler: Callable[..., None]) -> None:
        self.handlers[topic] = handler

    def unregister_text_stream_handler(self, topic: str) -> None:
        del self.handlers[topic]


class Rig:
    """The data of a room in which Ada is the candidate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **kinds: int) -> None:
        monkeypatch.setattr(inbound_data, "guard", lambda *_, **__: None)
        self.taken: list[tuple[str, float]] = []
        self.room = Room(**(kinds or {"ada": PERSON}))
        self.agent = Reader()
        self.data = InboundData(cast("rtc.Room", self.room), lambda: "ada", self._take)
        self.data.read_text(cast("Agent", self.agent))

    async def _take(self, identity: str) -> None:
        self.taken.append((identity, asyncio.get_running_loop().time()))

    def sends(self, sender: str | None = "ada", **fields: Any) -> bool:
        """Send a message; return whether it was admitted."""
        given: dict[str, Any] = {
            "size": 300,
            "messages": 1,
            "is_read": True,
            "text_topic": "lk.chat",
        } | fields
        return self.data.admits(Incoming(sender=sender, **given))

    def receives(self, messages: int) -> None:
        """Receive messages in the data channel, of which no event is reported yet."""
        self.room.received += messages

    def types(self) -> bool:
        """Send a typed message, which is read if it is admitted."""
        admitted = self.sends()
        if admitted:
            self.room.handlers["lk.chat"](OneMessage(), "ada")
        return admitted


async def test_the_candidates_typed_message_reaches_the_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch)
    assert rig.types()
    await asyncio.sleep(0.1)
    assert rig.agent.read == ["Hello."]
    rig.data.stop_text()


async def test_no_more_messages_than_the_limit_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch)
    assert sum(rig.types() for _ in range(MOST_STREAMS + 3)) == MOST_STREAMS
    assert rig.agent.refused == [False] * 3
    assert rig.taken == []
    rig.data.stop_text()


async def test_a_message_that_is_declared_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch)
    assert not rig.sends(declared_size=MOST_STREAM_BYTES + 1)
    assert rig.sends(declared_size=MOST_STREAM_BYTES)
    assert rig.agent.refused == [False]


async def test_typed_messages_of_others_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, ada=PERSON, bob=PERSON)
    assert not rig.sends("bob")
    assert rig.agent.refused == []


async def test_after_five_hundred_messages_the_candidate_has_lost_the_right_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch)
    began = asyncio.get_running_loop().time()
    admitted = sum(rig.sends() for _ in range(500))
    await asyncio.sleep(0.5)
    assert admitted == MESSAGES[0]
    ((identity, at),) = rig.taken
    assert identity == "ada"
    assert at - began < 0.1
    assert rig.agent.refused == [True]


@pytest.mark.parametrize("topic", [None, "lk.chat", "anything"])
async def test_sixty_megabytes_cost_the_right_whatever_they_are(
    monkeypatch: pytest.MonkeyPatch, topic: str | None
) -> None:
    rig = Rig(monkeypatch)
    for _ in range(4_000):
        rig.sends(size=15_000, messages=0, text_topic=None)
    rig.sends(text_topic=topic)
    await asyncio.sleep(0.1)
    assert [identity for identity, _ in rig.taken] == ["ada"]


async def test_another_participant_loses_the_right_and_the_candidate_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, ada=PERSON, bob=PERSON)
    for _ in range(500):
        rig.sends("bob")
    await asyncio.sleep(0.1)
    assert [identity for identity, _ in rig.taken] == ["bob"]
    assert rig.agent.refused == []
    assert rig.sends("ada")


async def test_agents_and_the_server_are_not_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, ada=PERSON, interviewer=AGENT)
    assert all(rig.sends("interviewer", text_topic="lk.transcription") for _ in range(500))
    assert all(rig.sends("", text_topic=None) for _ in range(500))
    assert rig.taken == []


async def test_data_that_is_counted_after_the_candidate_has_left_is_the_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, ada=PERSON, bob=PERSON)
    rig.receives(500)
    rig.data.watch()
    await asyncio.sleep(0.1)
    rig.room.leaves("ada")
    await asyncio.sleep(2.5)
    assert [identity for identity, _ in rig.taken] == ["ada"]
    await rig.data.aclose()


@pytest.mark.parametrize(
    ("people", "loses"),
    [
        ({"ada": PERSON, "interviewer": AGENT}, []),
        ({"bob": PERSON, "ada": PERSON}, ["ada"]),
        ({"bob": PERSON}, ["bob"]),
        ({"bob": PERSON, "eve": PERSON}, []),
        ({"interviewer": AGENT}, []),
    ],
)
async def test_data_without_a_sender_is_the_candidates_or_that_of_the_only_person(
    monkeypatch: pytest.MonkeyPatch, people: dict[str, int], loses: list[str]
) -> None:
    unnamed, unseen = Rig(monkeypatch, **people), Rig(monkeypatch, **people)
    for _ in range(500):
        unnamed.sends(None, text_topic=None, is_read=False)
    unseen.receives(500)
    unseen.data.watch()
    await asyncio.sleep(3.0)
    for rig in (unnamed, unseen):
        assert [identity for identity, _ in rig.taken] == loses
        assert rig.agent.refused == [True] * ("ada" in loses)
        await rig.data.aclose()


async def test_a_little_unseen_data_costs_no_right(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.data.watch()
    for _ in range(60):
        rig.receives(3)
        await asyncio.sleep(1.0)
    assert rig.taken == []
    assert rig.sends()
    await rig.data.aclose()


async def test_data_that_events_report_is_not_counted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, ada=PERSON, interviewer=AGENT)
    rig.data.watch()
    for _ in range(20):
        for _ in range(3):
            rig.receives(1)
            assert rig.sends(is_read=False, text_topic=None)
        for _ in range(100):
            rig.receives(1)
            rig.sends("interviewer", text_topic=None)
        await asyncio.sleep(1.0)
    assert rig.taken == []
    await rig.data.aclose()


async def test_an_agent_that_reads_no_text_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    data = InboundData(cast("rtc.Room", Room(ada=PERSON)), lambda: "ada", None)
    data.read_text(cast("Agent", object()))
    about = Incoming(sender="ada", size=300, messages=1, is_read=False, text_topic="lk.chat")
    assert not data.admits(about)
    assert rig.agent.read == []


async def test_nothing_is_read_after_the_session_has_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch)
    rig.types()
    rig.data.stop_text()
    await asyncio.sleep(0.1)
    assert rig.agent.read == []
    assert rig.room.handlers == {}
    assert not rig.sends()
    await rig.data.aclose()
