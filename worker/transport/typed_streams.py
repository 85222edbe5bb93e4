"""Reads the messages that a candidate types: text streams of a room, each up to a limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from worker.aio.tasks import log_failure
from worker.transport.data_limits import LONGEST_READ_S, MOST_STREAMS, MOST_TEXT_BYTES
from worker.transport.typed_text import clean_text

if TYPE_CHECKING:
    from livekit import rtc

logger = logging.getLogger(__name__)


class TypedStreams:
    """The typed messages that are being read, or handled by the agent.

    Args:
        on_text: Called with the cleaned text of a message. The text has at most `MOST_TEXT_BYTES`
            bytes; the rest of a longer message is dropped.
    """

    def __init__(self, on_text: Callable[[str], Awaitable[None]]) -> None:
        self._on_text = on_text
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        """True while `MOST_STREAMS` messages are being read or handled."""
        return len(self._tasks) >= MOST_STREAMS

    def open(self, reader: rtc.TextStreamReader, _: str) -> None:
        """Read a text stream, and pass its text to `on_text`. The SDK calls this method."""
        task = asyncio.create_task(self._take(reader), name="typed-message")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(log_failure)

    def stop(self) -> None:
        """Cancel the reading and the handling of all messages."""
        for task in self._tasks:
            task.cancel()

    async def _take(self, reader: rtc.TextStreamReader) -> None:
        try:
            text = clean_text(await _read(reader))
        except Exception as error:  # rtc.StreamError, if the sender has left
            logger.warning(
                "a typed message did not arrive completely and is dropped: %s",
                type(error).__name__,
                extra={"event": "typed_message_incomplete"},
            )
            return
        if text:
            await self._on_text(text)


async def _read(reader: rtc.TextStreamReader) -> str:
    """Return the text of a stream, up to the limits of bytes and of time, and close the stream."""
    parts: list[str] = []
    left = MOST_TEXT_BYTES
    try:
        async with asyncio.timeout(LONGEST_READ_S):
            async for part in reader:
                taken = part.encode("utf-8", "replace")[:left]
                parts.append(taken.decode("utf-8", "ignore"))
                left -= len(taken)
                if left <= 0:
                    break
    except TimeoutError:
        pass  # return the parts that have arrived in time
    finally:
        reader.close()
    return "".join(parts)
