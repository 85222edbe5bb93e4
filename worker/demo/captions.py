"""The words that a room publishes as text: `lk.transcription` text streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from livekit import rtc

if TYPE_CHECKING:
    from collections.abc import Callable

# livekit-agents' names (livekit/agents/types.py).
_TOPIC = "lk.transcription"
_SEGMENT_ID = "lk.segment_id"
_FINAL = "lk.transcription_final"


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What one participant said, as far as it is known.

    Its text is left out of the representation, so that it gets into no log by accident.
    """

    identity: str
    text: str = field(repr=False)
    final: bool
    #: When the first of it arrived, and the last.
    start_s: float
    end_s: float


class Captions:
    """Collects the captions of a room, of whoever speaks in it.

    The interviewer's words come as one growing stream, the candidate's as a new stream for each
    guess; both end up as one caption per segment.

    Args:
        now_s: The clock that captions are dated with, in seconds.
        changed: Called at every new or longer caption.
    """

    def __init__(self, now_s: Callable[[], float], *, changed: Callable[[], None]) -> None:
        self._now_s = now_s
        self._segments: dict[tuple[str, str], Caption] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._closed = False
        self._changed = changed

    def attach(self, room: rtc.Room) -> None:
        """Collect the captions of this room; call it before connecting."""
        room.register_text_stream_handler(_TOPIC, self._on_stream)

    def of(self, identity: str) -> tuple[Caption, ...]:
        """What this participant said, in order."""
        return tuple(caption for caption in self._segments.values() if caption.identity == identity)

    def others(self, identity: str) -> tuple[Caption, ...]:
        """What everybody but this participant said, in order."""
        return tuple(caption for caption in self._segments.values() if caption.identity != identity)

    async def aclose(self) -> None:
        """Stop reading streams that have not ended, and those that begin now."""
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
            pass  # the speaker is gone; what has arrived is all there is
        finally:
            reader.close()
        # Only the end of the interviewer's stream tells whether it was the last one of its segment.
        if (reader.info.attributes or {}).get(_FINAL) == "true":
            self.keep(identity, segment, text, final=True)

    def keep(self, identity: str, segment: str, text: str, *, final: bool) -> None:
        """Take what a segment says so far; a final one is not changed by a late guess."""
        known = self._segments.get((identity, segment))
        if known is not None and known.final and not final:
            return
        now_s = self._now_s()
        start_s = known.start_s if known is not None else now_s
        self._segments[identity, segment] = Caption(
            identity=identity, text=text, final=final, start_s=start_s, end_s=now_s
        )
        self._changed()
