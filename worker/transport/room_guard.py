"""Guard of a LiveKit room: the job decides which data of participants the SDK keeps.

LiveKit's SDK has no public way to refuse a data stream or a data packet. Without a guard the SDK
keeps the data of every stream until all of it was read. The SDK also logs the topic of a stream
that no code reads, and the sender can choose any text as the topic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from livekit import rtc
from livekit.rtc._ffi_client import FfiHandle

if TYPE_CHECKING:
    from livekit.rtc._proto.room_pb2 import RoomEvent

#: Names of the room's events with which a message of a participant begins.
_MESSAGES: Final = frozenset(
    {
        "byte_stream_opened",
        "chat_message",
        "data_packet_received",
        "data_track_published",
        "text_stream_opened",
        "transcription_received",
    }
)
#: Events of a room that carry a further part of a stream. The SDK for Python ignores these events,
#: because it reads each stream through a separate handle.
_PARTS: Final = frozenset(
    {"stream_chunk_received", "stream_header_received", "stream_trailer_received"}
)
#: Events of a room that do not stand for a packet of a data channel: for the header of a stream the
#: SDK reports two events, and data tracks are named by the server.
_NO_PACKETS: Final = frozenset({"byte_stream_opened", "data_track_published", "text_stream_opened"})

#: The SDK's default options of a connection.
_DEFAULTS: Final = rtc.RoomOptions()


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """Data that a participant has sent."""

    #: Identity of the sender: "" for the server, None if the event does not name the sender.
    sender: str | None
    #: Size in bytes.
    size: int
    #: Number of messages that begin with the data: 0 for a further part of a stream.
    messages: int
    #: True if this process has a handler for the topic of the data, or a listener for such data.
    is_read: bool
    #: True if the event stands for one packet of a data channel.
    is_packet: bool = True
    #: Topic of a text stream that begins; None for other data.
    text_topic: str | None = None
    #: Size in bytes of the whole stream as the sender declares it; 0 if unknown.
    declared_size: int = 0


def guard(room: rtc.Room, admits: Callable[[Incoming], bool], *, most_stream_bytes: int) -> None:
    """Let `admits` decide which data of participants is kept. Call this function before connecting.

    Data that `admits` refuses, or that no code reads, is released at once. LiveKit's native library
    ends a data stream with an error when the stream has more than `most_stream_bytes` bytes after
    decompression.
    """
    connect, deliver = room.connect, room._on_room_event

    async def connect_with_limit(
        url: str, token: str, options: rtc.RoomOptions = _DEFAULTS
    ) -> None:
        limit = rtc.DataStreamOptions(max_payload_byte_length=most_stream_bytes)
        await connect(url, token, replace(options, data_stream=limit))

    def on_room_event(event: RoomEvent) -> None:
        incoming = _incoming(room, event)
        if incoming is None or (admits(incoming) and incoming.is_read):
            deliver(event)
        else:
            _release(event)

    room.connect = connect_with_limit  # type: ignore[method-assign]  # JobContext has no option
    room._on_room_event = on_room_event  # type: ignore[method-assign]  # no public hook


def _incoming(room: rtc.Room, event: RoomEvent) -> Incoming | None:
    """Return the participant's data that an event carries; None for an event without such data."""
    kind: str = event.WhichOneof("message") or ""
    if kind in _PARTS:
        sender = getattr(event, kind).participant_identity
        return Incoming(sender=sender, size=event.ByteSize(), messages=0, is_read=False)
    if kind not in _MESSAGES:
        return None
    stream = event.text_stream_opened.reader.info
    return Incoming(
        sender=_sender(event, kind),
        size=event.ByteSize() + event.data_packet_received.user.data.data.data_len,
        messages=1,
        is_read=_is_read(room, event, kind),
        is_packet=kind not in _NO_PACKETS,
        text_topic=stream.topic if kind == "text_stream_opened" else None,
        declared_size=stream.total_length,
    )


def _sender(event: RoomEvent, kind: str) -> str | None:
    if kind == "data_track_published":
        return event.data_track_published.track.publisher_identity
    if kind == "transcription_received":
        return None  # the event does not name its sender
    sender: str = getattr(event, kind).participant_identity
    return sender


def _is_read(room: rtc.Room, event: RoomEvent, kind: str) -> bool:
    """Return whether this process has a handler or a listener for the message."""
    match kind:
        case "text_stream_opened":
            return event.text_stream_opened.reader.info.topic in room._text_stream_handlers
        case "byte_stream_opened":
            return event.byte_stream_opened.reader.info.topic in room._byte_stream_handlers
        case "data_packet_received" if event.data_packet_received.HasField("sip_dtmf"):
            return True
        case "data_packet_received":
            return bool(room._events.get("data_received"))
        case "transcription_received":
            return bool(room._events.get("transcription_received"))
        case "data_track_published":
            return bool(room._events.get("data_track_published"))
        case _:
            return False  # the SDK has no event for a message of LiveKit's former chat protocol


def _release(event: RoomEvent) -> None:
    """Release the native memory of data that was refused."""
    match event.WhichOneof("message"):
        case "text_stream_opened":
            FfiHandle(event.text_stream_opened.reader.handle.id).dispose()
        case "byte_stream_opened":
            FfiHandle(event.byte_stream_opened.reader.handle.id).dispose()
        case "data_track_published":
            FfiHandle(event.data_track_published.track.handle.id).dispose()
        case "data_packet_received" if event.data_packet_received.HasField("user"):
            FfiHandle(event.data_packet_received.user.data.handle.id).dispose()
