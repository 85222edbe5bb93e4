"""Faults of a provider, as values that all provider test servers share.

    server.next(Fault.refuse(429, retry_after_s=2))     # the next request only
    server.next(Fault.reset(), times=3)                 # the next three
    server.fault(Fault.half_open())                     # every request, until
    server.heal()

A fault applies to requests, not to TCP connections. A websocket's upgrade is one request. A request
on a kept-alive connection counts like one on a new connection.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self


class FaultKind(Enum):
    """The ways in which a provider fails."""

    #: The provider answers late, or with pauses between the parts of its answer.
    SLOW = auto()
    #: The connection stays open, but nothing arrives: no answer, no pong, no close frame.
    HALF_OPEN = auto()
    #: The connection is reset with a TCP RST.
    RESET = auto()
    #: The provider sends an HTTP status instead of the answer or the websocket upgrade.
    REFUSE = auto()
    #: The provider accepts a websocket, sends an error, and closes it (ElevenLabs).
    REJECT = auto()
    #: The answer is invalid; see `Nonsense`.
    GARBAGE = auto()
    #: The audio has the right length, but is silent (ElevenLabs).
    SILENT_AUDIO = auto()
    #: The answer is complete, but contains no audio (ElevenLabs).
    NO_AUDIO = auto()
    #: The answer is complete, but contains no text (Deepgram, OpenAI).
    EMPTY_TEXT = auto()
    #: The provider closes the connection properly, but too early.
    CLOSE = auto()


class Nonsense(Enum):
    """The ways in which an answer can be invalid."""

    #: An HTML page, like the answer of a gateway whose service is unavailable.
    NOT_JSON = auto()
    #: JSON, but not in the provider's schema.
    WRONG_SHAPE = auto()
    #: Bytes that are not audio, in place of audio (ElevenLabs).
    NO_AUDIO = auto()


NOT_JSON = "<html><body><h1>502 Bad Gateway</h1></body></html>"
WRONG_SHAPE = '{"message": "Internal Server Error"}'


class UnknownFault(Exception):
    """Raised for a fault that this provider cannot have."""

    def __init__(self, provider: str, kind: FaultKind) -> None:
        super().__init__(f"{provider} has no fault {kind.name}")
        self.provider = provider
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. Create it with the class methods below, which set the fields that apply."""

    kind: FaultKind
    answer_s: float = 0.0
    chunk_s: float = 0.0
    after_messages: int | None = None
    after_audio_bytes: int | None = None
    status: int = 500
    retry_after_s: int | None = None
    code: str = ""
    nonsense: Nonsense = Nonsense.NOT_JSON
    close_code: int = 1000
    reason: str = ""

    @classmethod
    def slow(cls, *, answer_s: float = 0.0, chunk_s: float = 0.0) -> Self:
        """Wait `answer_s` seconds before the answer, and `chunk_s` before each part of it."""
        return cls(kind=FaultKind.SLOW, answer_s=answer_s, chunk_s=chunk_s)

    @classmethod
    def half_open(
        cls, *, after_messages: int | None = None, after_audio_bytes: int | None = None
    ) -> Self:
        """Accept everything and answer nothing.

        By default this begins before any answer. Else it begins after a number of messages from
        the server, or of bytes of audio (`after_messages=0` accepts a websocket first). The audio
        comes from Deepgram's clients, or from the ElevenLabs server.
        """
        return cls(
            kind=FaultKind.HALF_OPEN,
            after_messages=after_messages,
            after_audio_bytes=after_audio_bytes,
        )

    @classmethod
    def reset(
        cls, *, after_messages: int | None = None, after_audio_bytes: int | None = None
    ) -> Self:
        """Reset the connection with an RST: at once, or later as in `half_open`."""
        return cls(
            kind=FaultKind.RESET, after_messages=after_messages, after_audio_bytes=after_audio_bytes
        )

    @classmethod
    def refuse(cls, status: int, *, retry_after_s: int | None = None, code: str = "") -> Self:
        """Answer with an HTTP status and the provider's error body for it.

        `retry_after_s` becomes the header Retry-After (default for 429: 1 s). `code` replaces
        the provider's usual error code for the status.
        """
        if status == 429 and retry_after_s is None:
            retry_after_s = 1
        return cls(kind=FaultKind.REFUSE, status=status, retry_after_s=retry_after_s, code=code)

    @classmethod
    def reject(cls, code: str, *, reason: str = "") -> Self:
        """Accept the websocket, answer its first message with an error, and close with 1008.

        ElevenLabs refuses a key, a voice or a request beyond the quota
        (`code="quota_exceeded"`) on a websocket in this way. `reason` is the error's text.
        """
        return cls(kind=FaultKind.REJECT, code=code, reason=reason or code, close_code=1008)

    @classmethod
    def garbage(cls, nonsense: Nonsense = Nonsense.NOT_JSON) -> Self:
        """Send an invalid answer."""
        return cls(kind=FaultKind.GARBAGE, nonsense=nonsense)

    @classmethod
    def silent_audio(cls) -> Self:
        """Send audio of the right length that is digital silence."""
        return cls(kind=FaultKind.SILENT_AUDIO)

    @classmethod
    def no_audio(cls) -> Self:
        """Complete the answer without any audio."""
        return cls(kind=FaultKind.NO_AUDIO)

    @classmethod
    def empty_text(cls) -> Self:
        """Complete the answer without any text."""
        return cls(kind=FaultKind.EMPTY_TEXT)

    @classmethod
    def close(
        cls,
        code: int = 1011,
        *,
        reason: str = "",
        after_messages: int | None = None,
        after_audio_bytes: int | None = None,
    ) -> Self:
        """Close a websocket with a code, or end an HTTP answer in the middle.

        This happens once the connection is accepted, or later as in `half_open`.
        """
        return cls(
            kind=FaultKind.CLOSE,
            close_code=code,
            reason=reason,
            after_messages=after_messages,
            after_audio_bytes=after_audio_bytes,
        )

    @property
    def strikes_at_once(self) -> bool:
        """True if the connection breaks before any answer."""
        return (
            self.kind in (FaultKind.HALF_OPEN, FaultKind.RESET)
            and self.after_messages is None
            and self.after_audio_bytes is None
        )

    def strikes_after(self, *, messages: int, audio_bytes: int) -> bool:
        """Return whether the connection breaks after this amount of data."""
        if self.kind not in (FaultKind.HALF_OPEN, FaultKind.RESET, FaultKind.CLOSE):
            return False
        enough_messages = messages >= (self.after_messages or 0)
        return enough_messages and audio_bytes >= (self.after_audio_bytes or 0)


class FaultPlan:
    """Assigns faults to requests."""

    def __init__(self) -> None:
        self._next: deque[Fault] = deque()
        self._standing: Fault | None = None

    def stand(self, fault: Fault) -> None:
        """Apply a fault to every request, after those of `queue`, until `heal`."""
        self._standing = fault

    def queue(self, fault: Fault, times: int) -> None:
        """Apply a fault to `times` requests, after the faults that were queued before."""
        self._next.extend([fault] * times)

    def heal(self) -> None:
        """Apply no fault to new requests; connections that are broken stay broken."""
        self._next.clear()
        self._standing = None

    def take(self) -> Fault | None:
        """Return the fault of the request that has just arrived; None for no fault."""
        return self._next.popleft() if self._next else self._standing
