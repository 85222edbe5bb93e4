"""Utterances that the candidate also reads, beside hearing them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from worker.aio.timeouts import run_with_timeout

if TYPE_CHECKING:
    from worker.interview.utterance_stream import Utterance

logger = logging.getLogger(__name__)

#: Maximum seconds to send the text of an utterance.
_WRITE_S: Final = 10.0


class AlsoWritten:
    """Writer of the utterances that are spoken and written. Each utterance is written once.

    Args:
        write: Sends a text to the candidate; None if no text can be sent.
    """

    def __init__(self, write: Callable[[str], Awaitable[None]] | None) -> None:
        self._write = write
        #: The last utterance that was written or is being written.
        self._last: Utterance | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def begin(self, utterance: Utterance) -> None:
        """Write an utterance that is about to be spoken, if the utterance is also written."""
        if self._write is None or not utterance.move.also_written or utterance is self._last:
            return
        self._last = utterance
        task = asyncio.create_task(self._send(self._write, utterance), name="also-written")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def has(self, utterance: Utterance) -> bool:
        """Return whether the utterance was written, or is being written."""
        return utterance is self._last

    def stop(self) -> None:
        """Cancel what is being written."""
        for task in self._writing:
            task.cancel()

    async def _send(self, write: Callable[[str], Awaitable[None]], utterance: Utterance) -> None:
        async def send() -> None:
            await write((await utterance.found()).text)

        try:
            await run_with_timeout(send(), _WRITE_S)
        except Exception as error:  # the utterance is spoken all the same
            if self._last is utterance:
                self._last = None
            logger.warning(
                "an utterance could not be written to the candidate: %s",
                type(error).__name__,
                extra={"event": "utterance_not_written"},
            )
