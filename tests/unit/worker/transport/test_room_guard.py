"""The guard of a room: what is not admitted, or not read, reaches no code of the SDK."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import pytest
from livekit import rtc
from livekit.rtc._proto.room_pb2 import RoomEvent

from worker.transport import room_guard
from worker.transport.room_guard import Incoming, guard

if TYPE_CHECKING:
    from collections.abc import Callable

HANDLE = 77
LIMIT = 4096


class Guarded:
    """A room of the SDK with a guard that admits what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = rtc.Room()
        self.delivered: list[RoomEvent] = []
        self.released: list[int] = []
        self.asked: list[Incoming] = []
        self.admitted = True
        self.options: list[rtc.RoomOptions] = []
        room: Any = self.room
        room._on_room_event = self.delivered.append
        room.connect = self._connect
        monkeypatch.setattr(room_guard, "FfiHandle", self._handle)
        guard(self.room, self._admits, most_stream_bytes=LIMIT)

    async def _connect(self, _url: str, _token: str, options: rtc.RoomOptions) -> None:
        self.options.append(options)

    def _admits(self, incoming: Incoming) -> bool:
        self.asked.append(incoming)
        return self.admitted

    def _handle(self, number: int) -> Any:
        class Handle:
            def dispose(_) -> None:  # noqa: N805  # `self` is the room here
                self.released.append(number)

        return Handle()

    def happens(self, event: RoomEvent) -> None:
        complete(event)
        self.room._on_room_event(event)


def complete(event: RoomEvent) -> None:
    """Set the required fields that an event lacks. All events of the native library have them."""
    message: Any = event  # its types lack the method
    while missing := message.FindInitializationErrors():
        for path in missing:
            *parents, name = path.split(".")
            owner: Any = reduce(getattr, parents, event)
            field = owner.DESCRIPTOR.fields_by_name[name]
            if field.message_type:
                getattr(owner, name).SetInParent()
            else:
                setattr(owner, name, field.default_value)


@pytest.fixture
async def guarded(monkeypatch: pytest.MonkeyPatch) -> Guarded:
    return Guarded(monkeypatch)


def text_stream(topic: str = "lk.chat") -> RoomEvent:
    event = RoomEvent()
    opened = event.text_stream_opened
    opened.participant_identity = "ada"
    opened.reader.handle.id = HANDLE
    opened.reader.info.topic = topic
    opened.reader.info.total_length = 500
    return event


def byte_stream(topic: str = "files") -> RoomEvent:
    event = RoomEvent()
    event.byte_stream_opened.participant_identity = "ada"
    event.byte_stream_opened.reader.handle.id = HANDLE
    event.byte_stream_opened.reader.info.topic = topic
    return event


def packet(size: int = 1_000) -> RoomEvent:
    event = RoomEvent()
    event.data_packet_received.participant_identity = "ada"
    event.data_packet_received.user.topic = "any words"
    event.data_packet_received.user.data.handle.id = HANDLE
    event.data_packet_received.user.data.data.data_len = size
    return event


def data_track() -> RoomEvent:
    event = RoomEvent()
    event.data_track_published.track.publisher_identity = "ada"
    event.data_track_published.track.handle.id = HANDLE
    event.data_track_published.track.info.name = "any words"
    return event


def chunk(size: int = 1_000) -> RoomEvent:
    event = RoomEvent()
    event.stream_chunk_received.participant_identity = "ada"
    event.stream_chunk_received.chunk.content = b"x" * size
    return event


def key_on_a_telephone() -> RoomEvent:
    event = RoomEvent()
    event.data_packet_received.participant_identity = "ada"
    event.data_packet_received.sip_dtmf.digit = "1"
    return event


def read_text(room: rtc.Room) -> None:
    room.register_text_stream_handler("lk.chat", lambda *_: None)


def read_bytes(room: rtc.Room) -> None:
    room.register_byte_stream_handler("files", lambda *_: None)


def read_packets(room: rtc.Room) -> None:
    room.on("data_received", lambda _: None)


def read_data_tracks(room: rtc.Room) -> None:
    room.on("data_track_published", lambda _: None)


READ = pytest.mark.parametrize(
    ("event", "read"),
    [
        (text_stream(), read_text),
        (byte_stream(), read_bytes),
        (packet(), read_packets),
        (data_track(), read_data_tracks),
    ],
    ids=["text stream", "byte stream", "packet", "data track"],
)


@READ
async def test_what_is_admitted_and_read_is_delivered(
    guarded: Guarded, event: RoomEvent, read: Callable[[rtc.Room], None]
) -> None:
    read(guarded.room)
    guarded.happens(event)
    assert guarded.delivered == [event]
    assert guarded.released == []
    assert (guarded.asked[0].sender, guarded.asked[0].is_read) == ("ada", True)


@READ
async def test_what_is_not_admitted_is_released(
    guarded: Guarded, event: RoomEvent, read: Callable[[rtc.Room], None]
) -> None:
    read(guarded.room)
    guarded.admitted = False
    guarded.happens(event)
    assert guarded.delivered == []
    assert guarded.released == [HANDLE]


@READ
async def test_what_nobody_reads_is_released_and_its_topic_not_logged(
    guarded: Guarded,
    event: RoomEvent,
    read: Callable[[rtc.Room], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    guarded.happens(event)
    assert guarded.delivered == []
    assert guarded.released == [HANDLE]
    assert not guarded.asked[0].is_read
    assert caplog.records == []


async def test_the_sender_the_size_and_the_topic_are_told(guarded: Guarded) -> None:
    for event in (text_stream(), packet(5_000), chunk(2_000)):
        guarded.happens(event)
    text, user, part = guarded.asked
    assert (text.sender, text.text_topic, text.declared_size) == ("ada", "lk.chat", 500)
    assert [each.messages for each in guarded.asked] == [1, 1, 0]
    assert user.size >= 5_000
    assert part.size >= 2_000
    assert guarded.delivered == []


async def test_each_packet_of_a_data_channel_is_counted_by_one_event(guarded: Guarded) -> None:
    header = RoomEvent()
    header.stream_header_received.participant_identity = "ada"
    # The SDK reports the header of a stream twice: as such, and as a stream that was opened.
    for event in (header, text_stream(), byte_stream(), chunk(), packet(), data_track()):
        guarded.happens(event)
    assert [each.is_packet for each in guarded.asked] == [True, False, False, True, True, False]


async def test_a_transcription_names_no_sender(guarded: Guarded) -> None:
    event = RoomEvent()
    event.transcription_received.participant_identity = "somebody else"
    guarded.happens(event)
    assert guarded.asked[0].sender is None
    assert guarded.delivered == []


async def test_a_key_on_a_telephone_is_delivered(guarded: Guarded) -> None:
    event = key_on_a_telephone()
    guarded.happens(event)
    assert guarded.delivered == [event]


async def test_other_events_pass_without_a_question(guarded: Guarded) -> None:
    event = RoomEvent()
    event.participant_disconnected.participant_identity = "ada"
    guarded.admitted = False
    guarded.happens(event)
    assert guarded.delivered == [event]
    assert guarded.asked == []


async def test_the_native_library_limits_streams_and_other_options_stay(guarded: Guarded) -> None:
    await guarded.room.connect("url", "token", rtc.RoomOptions(auto_subscribe=False))
    await guarded.room.connect("url", "token")
    for options in guarded.options:
        assert options.data_stream == rtc.DataStreamOptions(max_payload_byte_length=LIMIT)
    assert [options.auto_subscribe for options in guarded.options] == [False, True]
