"""Collects the captions of a room from its `lk.transcription` text streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from livekit import rtc

if TYPE_CHECKING:
    from collections.abc import Callable

# Names that livekit-agents defines (livekit/agents/types.py).
_TOPIC = "lk.transcription"
_SEGMENT_ID = "lk.segment_id"
_FINAL = "lk.transcription_final"


@dataclass(frozen=True, kw_only=True)
class Caption:
    """The text of one segment of a participant's speech. The text may still be incomplete.

    The repr does not contain the text, so that the text is not logged by accident.
    """

    identity: str
    text: str = field(repr=False)
    final: bool
    #: Arrival time of the first piece of the text, in seconds (`now_s` of `Captions`).
    start_s: float
    #: Arrival time of the last piece of the text, in seconds (`now_s` of `Captions`).
    end_s: float


class Captions:
    """Collects the captions of all speakers in a room.

    The text of the interviewer arrives in one stream per segment, piece by piece. The text of the
    candidate arrives in a new stream for each interim transcript. For both speakers, each segment
    of text becomes one caption.

    Args:
        now_s: Returns the current time in seconds, which is stored in the captions.
        changed: Called whenever a caption is added or updated.
    """

    def __init__(self, now_s: Callable[[], float], *, changed: Callable[[], None]) -> None:
        self._now_s = now_s
        self._segments: dict[tuple[str, str], Caption] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._closed = False
        self._changed = changed

    def attach(self, room: rtc.Room) -> None:
        """Collect the captions of `room`. Call this method before the room connects."""
        room.register_text_stream_handler(_TOPIC, self._on_stream)

    def of(self, identity: str) -> tuple[Caption, ...]:
        """Return the captions of the participant `identity`, in order."""
        return tuple(caption for caption in self._segments.values() if caption.identity == identity)

    def others(self, identity: str) -> tuple[Caption, ...]:
        """Return the captions of all participants except `identity`, in order."""
        return tuple(caption for caption in self._segments.values() if caption.identity != identity)

    async def aclose(self) -> None:
        """Stop reading the open text streams, and ignore streams that are opened later."""
        self._closed = True
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _on_stream(self, reader: rtc.TextStreamReader, identity: str) -> None:
        if self._closed:
            reader.close()
            return
        task = asyncio.create_task(self._read(reader, identity), name="captions")
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        attributes = reader.info.attributes or {}
        segment = attributes.get(_SEGMENT_ID, reader.info.stream_id)
        text = ""
        try:
            async for chunk in reader:
                text += chunk
                self.keep(identity, segment, text, final=False)
        except rtc.StreamError:
            pass  # the speaker has left; keep the text that has arrived
        finally:
            reader.close()
        # The interviewer's streams get the attribute that marks final text only when they end.
        if (reader.info.attributes or {}).get(_FINAL) == "true":
            self.keep(identity, segment, text, final=True)

    def keep(self, identity: str, segment: str, text: str, *, final: bool) -> None:
        """Store the current text of a segment. An interim text never replaces a final text."""
        known = self._segments.get((identity, segment))
        if known is not None and known.final and not final:
            return
        now_s = self._now_s()
        start_s = known.start_s if known is not None else now_s
        self._segments[identity, segment] = Caption(
            identity=identity, text=text, final=final, start_s=start_s, end_s=now_s
        )
        self._changed()
