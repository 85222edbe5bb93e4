"""What can go wrong with a provider, as values: one vocabulary for all stand-ins.

    server.next(Fault.refuse(429, retry_after_s=2))     # the next request only
    server.next(Fault.reset(), times=3)                 # the next three
    server.fault(Fault.half_open())                     # every request, until
    server.heal()

A fault binds to requests, not to TCP connections: a websocket's upgrade is one request, and a
request on a connection that is kept alive counts like one on a new connection.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self


class FaultKind(Enum):
    """The ways in which a provider fails."""

    #: It answers, but late, or with time between the parts of its answer.
    SLOW = auto()
    #: The connection stays open and nothing comes any more: no answer, no pong, no farewell.
    HALF_OPEN = auto()
    #: The connection is torn down with a TCP RST.
    RESET = auto()
    #: An HTTP status in place of the answer, or of the upgrade to a websocket.
    REFUSE = auto()
    #: A websocket that is accepted, says what is wrong, and is closed (ElevenLabs).
    REJECT = auto()
    #: An answer that makes no sense.
    GARBAGE = auto()
    #: Audio of the right length in which nothing is to be heard (ElevenLabs).
    SILENT_AUDIO = auto()
    #: An answer that is complete and has no audio in it (ElevenLabs).
    NO_AUDIO = auto()
    #: An answer that is complete and has no text in it (Deepgram, OpenAI).
    EMPTY_TEXT = auto()
    #: The connection is closed in good order, too early.
    CLOSE = auto()


class Nonsense(Enum):
    """The ways in which an answer can make no sense."""

    #: An HTML page, as a gateway answers that has lost the service behind it.
    NOT_JSON = auto()
    #: JSON, but not the provider's.
    WRONG_SHAPE = auto()
    #: Bytes in place of audio that are none (ElevenLabs).
    NO_AUDIO = auto()


NOT_JSON = "<html><body><h1>502 Bad Gateway</h1></body></html>"
WRONG_SHAPE = '{"message": "Internal Server Error"}'


class UnknownFault(Exception):
    """This provider cannot fail in this way."""

    def __init__(self, provider: str, kind: FaultKind) -> None:
        super().__init__(f"{provider} has no fault {kind.name}")
        self.provider = provider
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong. Made by its constructors below, which say what applies."""

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
        """Take so many seconds before the answer begins, and before each part of it."""
        return cls(kind=FaultKind.SLOW, answer_s=answer_s, chunk_s=chunk_s)

    @classmethod
    def half_open(
        cls, *, after_messages: int | None = None, after_audio_bytes: int | None = None
    ) -> Self:
        """Take everything, answer nothing.

        At once, before any answer, or after so many messages of the server's or bytes of audio
        (`after_messages=0`: a websocket is accepted first). Audio is what flows: Deepgram's
        clients send it, ElevenLabs does.
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
        """Tear the connection down with an RST: at once, or later as in `half_open`."""
        return cls(
            kind=FaultKind.RESET, after_messages=after_messages, after_audio_bytes=after_audio_bytes
        )

    @classmethod
    def refuse(cls, status: int, *, retry_after_s: int | None = None, code: str = "") -> Self:
        """Answer with an HTTP status and the provider's error body for it.

        `retry_after_s` becomes the header Retry-After (429 has one of 1 s unless told
        otherwise); `code` replaces the provider's usual error code for the status.
        """
        if status == 429 and retry_after_s is None:
            retry_after_s = 1
        return cls(kind=FaultKind.REFUSE, status=status, retry_after_s=retry_after_s, code=code)

    @classmethod
    def reject(cls, code: str, *, reason: str = "") -> Self:
        """Accept the websocket, answer its first message with an error, and close with 1008.

        How ElevenLabs refuses a key, a voice or a request beyond the quota
        (`code="quota_exceeded"`) on a websocket. `reason` is the error's text.
        """
        return cls(kind=FaultKind.REJECT, code=code, reason=reason or code, close_code=1008)

    @classmethod
    def garbage(cls, nonsense: Nonsense = Nonsense.NOT_JSON) -> Self:
        """Answer what makes no sense."""
        return cls(kind=FaultKind.GARBAGE, nonsense=nonsense)

    @classmethod
    def silent_audio(cls) -> Self:
        """Send audio of the right length that is digital silence."""
        return cls(kind=FaultKind.SILENT_AUDIO)

    @classmethod
    def no_audio(cls) -> Self:
        """Complete the answer without any audio in it."""
        return cls(kind=FaultKind.NO_AUDIO)

    @classmethod
    def empty_text(cls) -> Self:
        """Complete the answer without any text in it."""
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

        Once the connection is accepted, or later as in `half_open`.
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
        """Whether the connection breaks before anything is answered."""
        return (
            self.kind in (FaultKind.HALF_OPEN, FaultKind.RESET)
            and self.after_messages is None
            and self.after_audio_bytes is None
        )

    def strikes_after(self, *, messages: int, audio_bytes: int) -> bool:
        """Whether the connection breaks once so much has flowed."""
        if self.kind not in (FaultKind.HALF_OPEN, FaultKind.RESET, FaultKind.CLOSE):
            return False
        enough_messages = messages >= (self.after_messages or 0)
        return enough_messages and audio_bytes >= (self.after_audio_bytes or 0)


class FaultPlan:
    """Which request meets which fault."""

    def __init__(self) -> None:
        self._next: deque[Fault] = deque()
        self._standing: Fault | None = None

    def stand(self, fault: Fault) -> None:
        """Every request meets it, after those of `queue`, until `heal`."""
        self._standing = fault

    def queue(self, fault: Fault, times: int) -> None:
        """So many requests meet it, after those that were queued before."""
        self._next.extend([fault] * times)

    def heal(self) -> None:
        """No request meets a fault any more; what is broken already stays broken."""
        self._next.clear()
        self._standing = None

    def take(self) -> Fault | None:
        """The fault that the request which has just come meets."""
        return self._next.popleft() if self._next else self._standing
