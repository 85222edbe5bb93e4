"""Uses WebRTC's statistics to find data that a job receives but LiveKit's SDK does not report."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from worker.aio.timeouts import run_with_timeout

if TYPE_CHECKING:
    from livekit import rtc

logger = logging.getLogger(__name__)

#: Seconds between two readings of the figures. Unseen data is found after one to two of them.
_READ_EVERY_S: Final = 1.0
#: Timeout in seconds for one reading, which normally takes some milliseconds.
_READ_S: Final = 2.0


@dataclass(frozen=True)
class Figures:
    """A number of messages, and their total size in bytes."""

    messages: int = 0
    size: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(self.messages + other.messages, self.size + other.size)

    def beyond(self, other: Figures) -> Figures:
        """Return by how much these figures exceed `other`; each returned figure is at least 0."""
        return Figures(max(0, self.messages - other.messages), max(0, self.size - other.size))


#: Returns what the data channels of the current connection have received so far. May raise any
#: error, for example while there is no connection.
Read: TypeAlias = Callable[[], Coroutine[Any, Any, Figures]]


class UnseenData:
    """Finds received data of which the SDK has reported no event.

    LiveKit's native library answers remote procedure calls itself, and drops packets that it cannot
    use, such as encrypted packets; Python gets no event for these calls and packets. WebRTC counts
    the messages and bytes of all packets, without their senders. Data that WebRTC has counted, but
    that no event has reported, is called unseen.

    Because the event of a packet may come after WebRTC has counted the packet, the events so far
    are compared with the previous reading of WebRTC's figures. The figures of a new connection
    begin at 0.

    Args:
        read: Returns WebRTC's figures.
        found: Called with the number of unseen messages, and their bytes, since the last call.
    """

    def __init__(self, read: Read, found: Callable[[int, int], None]) -> None:
        self._read = read
        self._found = found
        #: What events have reported.
        self._seen = Figures()
        #: What earlier connections have received.
        self._earlier = Figures()
        #: The reading before, of the current connection.
        self._before = Figures()
        #: What was unseen at most so far.
        self._unseen = Figures()

    def seen(self, size: int) -> None:
        """Note that an event has reported a received packet, with its size in bytes."""
        self._seen += Figures(1, size)

    async def run(self) -> None:
        """Read and compare the figures until cancelled."""
        while True:
            await asyncio.sleep(_READ_EVERY_S)
            try:
                now = await run_with_timeout(self._read(), _READ_S)
            except Exception as error:  # there is no connection at the moment
                logger.debug(
                    "the figures of the data channels were not read: %s",
                    type(error).__name__,
                    extra={"event": "data_figures_not_read"},
                )
            else:
                self._compare(now)

    def _compare(self, now: Figures) -> None:
        unseen = (self._earlier + self._before).beyond(self._seen)
        new = unseen.beyond(self._unseen)
        self._unseen += new
        if now.messages < self._before.messages:
            self._earlier += self._before
        self._before = now
        if new.messages:
            self._found(new.messages, new.size)


async def received(room: rtc.Room) -> Figures:
    """Return what the data channels of a room's connection have received so far.

    Raises RuntimeError if the room is not connected.
    """
    figures = Figures()
    for each in (await room.get_rtc_stats()).subscriber_stats:
        if each.WhichOneof("stats") == "data_channel":
            channel = each.data_channel.dc
            figures += Figures(channel.messages_received, channel.bytes_received)
    return figures
