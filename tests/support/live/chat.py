"""Text messages to a candidate, with the times at which they were complete."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livekit import rtc

    from worker.simulation.room_candidate import Candidate


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message, complete `at_s` seconds after the candidate joined."""

    text: str
    at_s: float


class Chat:
    """Collects the messages of a room (`lk.chat`) as its candidate receives them."""

    def __init__(self, candidate: Candidate) -> None:
        self.messages: list[Message] = []
        self._candidate = candidate
        self._reading: set[asyncio.Task[None]] = set()
        candidate._room.register_text_stream_handler("lk.chat", self._on_stream)

    @property
    def texts(self) -> list[str]:
        """The texts of the messages, in order."""
        return [message.text for message in self.messages]

    def read_at(self, text: str) -> float | None:
        """Return when a text was complete, in seconds since the candidate joined; else None."""
        return next((each.at_s for each in self.messages if each.text == text), None)

    def _on_stream(self, reader: rtc.TextStreamReader, _: str) -> None:
        task = asyncio.create_task(self._read(reader))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, reader: rtc.TextStreamReader) -> None:
        text = await reader.read_all()
        self.messages.append(Message(text=text, at_s=self._candidate.now_s))
