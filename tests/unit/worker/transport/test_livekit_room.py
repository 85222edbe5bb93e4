"""A room that is unavailable for a moment, and the audio output to the candidate."""

from __future__ import annotations

import asyncio
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit import rtc
from livekit.agents import AutoSubscribe

from states import Event
from tests.support.virtual.async_steps import done, for_ever
from tests.support.virtual.job_parts import HeardLine
from worker.transport import livekit_room
from worker.transport.livekit_room import LiveKitTransport
from worker.transport.outbound_monitor import GONE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from livekit.agents import Agent, AgentSession, JobContext


class Room(rtc.EventEmitter[Any]):
    """The parts of a room of the SDK that the transport uses."""

    def __init__(self) -> None:
        super().__init__()
        self.remote_participants: dict[str, Any] = {}
        self.posted: list[Event] = []

    async def connect(self, url: str, token: str, options: rtc.RoomOptions) -> None:
        """Do nothing."""

    def _on_room_event(self, event: object) -> None:
        """Do nothing."""


class Person:
    """A candidate without tracks."""

    kind = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
    track_publications: Mapping[str, Any] = MappingProxyType({})


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[LiveKitTransport, Any]]:
    """Yield a transport with a listener on its audio output, and its room."""
    monkeypatch.setattr(livekit_room, "MixedAudioOutput", HeardLine)
    room = Room()
    joined: list[dict[str, object]] = []

    async def connect(**options: object) -> None:
        joined.append(options)
        await done()

    ctx = SimpleNamespace(room=room, connect=connect)
    here = LiveKitTransport(cast("JobContext", ctx), room.posted.append)
    await here.connect()
    await here.line.publish()
    await here.line.wait_for_subscriber()
    assert here.line.listened
    assert [options["auto_subscribe"] for options in joined] == [AutoSubscribe.SUBSCRIBE_NONE]
    yield here, room
    here.reach.close()
    await here._inbound.aclose()
    await here.line.aclose()


@pytest.mark.parametrize("back", ["reconnected", "local_track_subscribed"])
async def test_output_is_paused_from_reconnecting_until_a_listener_is_back(
    room: tuple[LiveKitTransport, Any], back: str
) -> None:
    here, events = room
    events.emit("reconnecting")
    assert not here.line.listened
    events.emit(back, *([object()] if back == "local_track_subscribed" else []))
    assert here.line.listened


async def test_after_a_server_restart_output_is_paused_until_the_candidate_is_back(
    room: tuple[LiveKitTransport, Any],
) -> None:
    here, events = room
    here.expect("ada")
    events.emit("reconnecting")
    # The order on a real server; the candidate comes seconds later, or first.
    events.emit("local_track_republished", object(), "TR_before")
    events.emit("reconnected")
    assert not here.line.listened
    events.emit("local_track_subscribed", object())
    assert not here.line.listened
    events.remote_participants["ada"] = Person()
    events.emit("participant_connected", object())
    assert here.line.listened


@pytest.mark.looptime
async def test_publishing_the_audio_output_times_out(
    room: tuple[LiveKitTransport, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = room

    async def publish(_: object) -> None:
        await for_ever()

    monkeypatch.setattr(here.line, "publish", publish)
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await here.open_line()
    assert asyncio.get_running_loop().time() - began < 5.0


@pytest.mark.looptime
async def test_a_room_that_stays_reconnecting_is_lost_after_a_time_limit(
    room: tuple[LiveKitTransport, Any],
) -> None:
    _, events = room
    events.emit("reconnecting")
    await asyncio.sleep(GONE_S / 2)
    events.emit("reconnecting")
    await asyncio.sleep(GONE_S / 2 - 1.0)
    assert events.posted == []
    await asyncio.sleep(2.0)
    assert events.posted == [Event.ROOM_LOST]


@pytest.mark.looptime
async def test_a_room_that_reconnected_is_not_lost_later(
    room: tuple[LiveKitTransport, Any],
) -> None:
    _, events = room
    events.emit("reconnecting")
    events.emit("reconnected")
    await asyncio.sleep(2 * GONE_S)
    assert events.posted == []


async def test_the_session_reads_no_text_and_no_byte_stream_itself(
    room: tuple[LiveKitTransport, Any],
) -> None:
    class Session:
        output = SimpleNamespace(audio=None)
        options: Any = None

        def on(self, event: str, _: object) -> None:
            assert event == "close"

        async def start(self, _: object, *, room_options: Any, **__: object) -> None:
            self.options = room_options

    here, _ = room
    session = Session()
    await here.start_session(cast("AgentSession[Any]", session), cast("Agent", object()))
    assert session.options.get_text_input_options() is None
    assert not session.options.get_audio_input_options().pre_connect_audio


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        (rtc.DisconnectReason.ROOM_DELETED, Event.ROOM_DELETED),
        (rtc.DisconnectReason.PARTICIPANT_REMOVED, Event.ROOM_DELETED),
        (rtc.DisconnectReason.DUPLICATE_IDENTITY, Event.ROOM_DELETED),
        (rtc.DisconnectReason.ROOM_CLOSED, Event.ROOM_CLOSED),
        (rtc.DisconnectReason.SERVER_SHUTDOWN, Event.ROOM_LOST),
        (rtc.DisconnectReason.UNKNOWN_REASON, Event.ROOM_LOST),
        (None, Event.ROOM_LOST),
    ],
)
async def test_a_room_that_livekit_closed_is_distinguished_from_a_deleted_and_a_lost_one(
    room: tuple[LiveKitTransport, Any], reason: Any, event: Event
) -> None:
    _, events = room
    events.emit("disconnected", reason)
    assert events.posted == [event]
