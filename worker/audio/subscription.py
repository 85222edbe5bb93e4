"""Whether the audio output has a subscriber."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.audio.sinks import Sink

logger = logging.getLogger(__name__)


class Subscription:
    """The wait for the first subscriber of a sink, at most `timeout_s` seconds."""

    def __init__(self, sink: Sink, timeout_s: float) -> None:
        self._sink = sink
        self._timeout_s = timeout_s
        self._listener: asyncio.Task[None] | None = None
        #: True once there is a subscriber, or the wait for a subscriber has timed out.
        self.is_settled = False

    def start(self) -> None:
        """Start to wait for a subscriber of the sink, which must be open."""
        self._listener = asyncio.create_task(self._sink.wait_for_listener(), name="listener")

    @property
    def exists(self) -> bool:
        """True if there ever was a subscriber."""
        listener = self._listener
        return listener is not None and listener.done() and not listener.cancelled()

    async def wait(self) -> bool:
        """Wait for a subscriber, at most `timeout_s` seconds; return whether one exists.

        Raises:
            RuntimeError: `start` was not called.
        """
        if self._listener is None:
            raise RuntimeError("the audio output is not published")
        await asyncio.wait({self._listener}, timeout=self._timeout_s)
        return self.exists

    async def settle(self) -> None:
        """Wait for a subscriber; if nobody subscribes in time, log that audio is played anyway."""
        if not await self.wait():
            logger.warning(
                "no participant subscribed to the audio output in time, playing anyway",
                extra={"event": "audio_output_unsubscribed", "waited_s": self._timeout_s},
            )
        self.is_settled = True

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """The task that waits for a subscriber, for the caller to cancel; empty before `start`."""
        return () if self._listener is None else (self._listener,)
