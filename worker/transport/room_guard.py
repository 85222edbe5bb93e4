"""Guard of a LiveKit room: the job decides what data the SDK keeps, before the SDK keeps it.

LiveKit's SDK has no public way to refuse a data stream or a data packet. Without a guard it keeps
the data of every stream until somebody has read all of it, and logs the topic of a stream that
nobody reads, which its sender chose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from livekit import rtc
from livekit.rtc._ffi_client import FfiHandle

if TYPE_CHECKING:
    from livekit.rtc._proto.room_pb2 import RoomEvent

#: Events of a room that begin a message of a participant.
_MESSAGES: Final = frozenset(
    {
        "byte_stream_opened",
        "chat_message",
        "data_packet_received",
        "text_stream_opened",
        "transcription_received",
    }
)
#: Events of a room that carry a further part of a stream. The SDK for Python does not use them: it
#: reads a stream through a handle of its own.
_PARTS: Final = frozenset(
    {"stream_chunk_received", "stream_header_received", "stream_trailer_received"}
)

#: The SDK's options of a connection, without changes.
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
    #: True if code of this process reads such data: a handler of the topic, or a listener.
    is_read: bool
    #: Topic of a text stream that begins; None for other data.
    text_topic: str | None = None
    #: Size in bytes of the whole stream as the sender declares it; 0 if unknown.
    declared_size: int = 0


def guard(
    room: rtc.Room, admits: Callable[[Incoming], bool], *, most_stream_bytes: int
) -> None:
    """Let `admits` decide about all data that participants send. Call this before connecting.

    Data that is not admitted, or that nobody reads, is released at once. Data streams end with an
    error at `most_stream_bytes` bytes after decompression, in LiveKit's native library.
    """
    connect, deliver = room.connect, room._on_room_event

    async def connect_with_limit(
        url: str, token: str, options: rtc.RoomOptions = _DEFAULTS
    ) -> None:
        limit = rtc.DataStreamOptions(max_payload_byte_length=most_stream_bytes)
        await connect(url, token, replace(options, data_stream=limit))

    def on_room_event(event: RoomEvent) -> None:
        incoming = _incoming(room, event)
        if incoming is None:
            deliver(event)
        elif admits(incoming) and incoming.is_read:
            deliver(event)
        else:
            _release(event)

    room.connect = connect_with_limit  # type: ignore[method-assign]  # JobContext has no option
    room._on_room_event = on_room_event  # type: ignore[method-assign]  # no public hook


def _incoming(room: rtc.Room, event: RoomEvent) -> Incoming | None:
    """Return the data of an event; None for an event that carries no participant's data."""
    kind: str = event.WhichOneof("message") or ""
    if kind in _PARTS:
        part = getattr(event, kind)
        return Incoming(
            sender=part.participant_identity, size=event.ByteSize(), messages=0, is_read=False
        )
    if kind not in _MESSAGES:
        return None
    message = getattr(event, kind)
    sender, size = message.participant_identity, event.ByteSize()
    if kind == "text_stream_opened":
        about = message.reader.info
        return Incoming(
            sender=sender,
            size=size,
            messages=1,
            is_read=about.topic in room._text_stream_handlers,
            text_topic=about.topic,
            declared_size=about.total_length,
        )
    if kind == "byte_stream_opened":
        is_read = message.reader.info.topic in room._byte_stream_handlers
    elif kind == "data_packet_received":
        size += message.user.data.data.data_len
        is_read = bool(room._events.get("data_received")) or message.HasField("sip_dtmf")
    elif kind == "transcription_received":
        # The identity is that of the participant whose speech was transcribed, as the sender says.
        sender, is_read = None, bool(room._events.get("transcription_received"))
    else:
        is_read = False  # the SDK has no event for a message of the old chat
    return Incoming(sender=sender, size=size, messages=1, is_read=is_read)


def _release(event: RoomEvent) -> None:
    """Release the native memory of data that is not delivered."""
    kind: str = event.WhichOneof("message") or ""
    if kind == "text_stream_opened":
        FfiHandle(event.text_stream_opened.reader.handle.id).dispose()
    elif kind == "byte_stream_opened":
        FfiHandle(event.byte_stream_opened.reader.handle.id).dispose()
    elif kind == "data_packet_received" and event.data_packet_received.HasField("user"):
        FfiHandle(event.data_packet_received.user.data.handle.id).dispose()
