"""Limits on the data that a participant sends to a room: its bytes and the number of messages."""

from __future__ import annotations

from typing import Final

from worker.aio.token_bucket import TokenBucket

#: Bytes that a participant may send at once, and further bytes per second. The longest typed
#: message that is read (`MOST_STREAM_BYTES`) fits several times.
BYTES: Final = (float(1 << 20), float(64 << 10))
#: Messages that a participant may send at once, and further messages per second. The limit is
#: several times what a person types, so that the agent has warned a person long before this limit.
MESSAGES: Final = (60.0, 5.0)
#: Number of bytes that a smaller part of a message counts as, because handling each part takes
#: time.
LEAST_BYTES: Final = 256
#: Maximum size in bytes of one data stream, after decompression. LiveKit's native library closes a
#: longer stream with an error before Python gets the excess; its default is 5 GB. The longest typed
#: message that an agent reads (`MOST_TEXT_BYTES`) fits three times, so that a longer message is
#: shortened and not lost.
MOST_STREAM_BYTES: Final = 256 << 10
#: Maximum bytes of a typed message that are read: 20,000 characters of four bytes (UTF-8). The rest
#: of a longer message is dropped.
MOST_TEXT_BYTES: Final = 80_000
#: Maximum number of typed messages that are read or handled at once. The interviewer itself accepts
#: 10 at once.
MOST_STREAMS: Final = 16
#: Maximum seconds to read one typed message. The rest of a slower message is dropped.
LONGEST_READ_S: Final = 10.0


class SenderLimits:
    """Applies the limits to each participant.

    A participant who has exceeded a limit once counts as beyond the limits from then on.
    """

    def __init__(self) -> None:
        self._senders: dict[str, _Sender] = {}

    def within(self, sender: str, *, size: int, messages: int, now_s: float) -> bool:
        """Count data of a participant. Return True if the participant is within the limits.

        Args:
            sender: Identity of the participant.
            size: Size of the data, in bytes.
            messages: Number of messages that begin with the data; 0 if the data continues an
                earlier message.
            now_s: Time of the event loop's clock, in seconds.
        """
        return self._senders.setdefault(sender, _Sender()).counts(size, messages, now_s)

    def is_beyond(self, sender: str) -> bool:
        """Return whether the participant has exceeded a limit."""
        known = self._senders.get(sender)
        return known is not None and known.beyond


class _Sender:
    """The data that one participant has sent, compared with the limits."""

    def __init__(self) -> None:
        #: True once a limit was exceeded.
        self.beyond = False
        self._bytes = TokenBucket(burst=BYTES[0], per_second=BYTES[1])
        self._messages = TokenBucket(burst=MESSAGES[0], per_second=MESSAGES[1])

    def counts(self, size: int, messages: int, now_s: float) -> bool:
        if self.beyond:
            return False
        counted = float(max(size, LEAST_BYTES))
        if self._bytes.wait_s(now_s, counted) or self._messages.wait_s(now_s, float(messages)):
            self.beyond = True
            return False
        self._bytes.take(counted)
        self._messages.take(float(messages))
        return True
