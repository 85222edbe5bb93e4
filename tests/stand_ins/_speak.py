"""One websocket of the ElevenLabs server: the text of several contexts in, their audio out.

The messages follow elevenlabs.io/docs/api-reference/text-to-speech/
v-1-text-to-speech-voice-id-multi-stream-input. A refused key or voice behaves as recorded from the
service: the upgrade succeeds (the key may come in the first message), the error answers that
message, and the close code is 1008.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiohttp import WSMsgType

from tests.stand_ins._alignment import Character, align, as_message
from tests.stand_ins.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import WSMessage

    from tests.stand_ins._injector import FaultInjector, Socket

SAMPLE_RATE: Final = 24_000
#: Bytes of 16-bit audio in one message: 0.25 s.
CHUNK_BYTES: Final = SAMPLE_RATE // 4 * 2
#: Characters to collect before any are spoken, without flush and auto_mode (the documented default
#: for the first chunk).
_CHUNK_LENGTH: Final = 120
#: Maximum number of open contexts of one websocket (the service's limit).
MOST_CONTEXTS: Final = 5

_Speak: TypeAlias = "Callable[[str], Awaitable[bytes]]"


@dataclass(frozen=True, kw_only=True)
class SpeakOptions:
    """Options in the query of a websocket."""

    auto_mode: bool
    sync_alignment: bool
    #: Seconds without a message after which the service closes.
    inactivity_timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """The reason why the service closes a websocket that it accepted."""

    code: str
    message: str


class Speaking:
    """One websocket, from its upgrade to its close."""

    def __init__(
        self,
        socket: Socket,
        options: SpeakOptions,
        speak: _Speak,
        *,
        injector: FaultInjector,
        rejection: Rejection | None,
    ) -> None:
        self._socket = socket
        self._options = options
        self._speak = speak
        self._injector = injector
        self._rejection = rejection
        self._contexts: dict[str, _Context] = {}

    async def run(self) -> None:
        """Serve the websocket until either side closes it."""
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._read(tasks)
            finally:
                for context in self._contexts.values():
                    context.task.cancel()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        messages = self._socket.messages()
        while True:
            try:
                async with asyncio.timeout(self._options.inactivity_timeout_s):
                    message = await anext(messages, None)
            except TimeoutError:
                return await self._reject(_too_quiet(self._options.inactivity_timeout_s))
            if message is None:
                return None
            if self._rejection is not None:
                return await self._reject(self._rejection)
            content = _content(message)
            if content is None:
                return await self._reject(_NO_JSON)
            if content.get("close_socket"):
                return await self._socket.close(1000)
            rejection = self._take(content, tasks)
            if rejection is not None:
                return await self._reject(rejection)

    def _take(self, content: dict[str, Any], tasks: asyncio.TaskGroup) -> Rejection | None:
        name = str(content.get("context_id") or "default")
        context = self._contexts.get(name)
        if context is None:
            if content.get("close_context"):
                return None
            if len(self._contexts) >= MOST_CONTEXTS:
                return _TOO_MANY_CONTEXTS
            context = _Context(name, self._socket, self._options, self._speak, self._injector)
            self._contexts[name] = context
            context.task = tasks.create_task(self._serve(name, context), name=f"context {name}")
        context.take(content)
        return None

    async def _serve(self, name: str, context: _Context) -> None:
        try:
            await context.run()
        finally:
            del self._contexts[name]

    async def _reject(self, rejection: Rejection) -> None:
        error = {"message": rejection.message, "error": rejection.code, "code": 1008}
        await self._socket.send(error)
        await self._socket.close(1008, rejection.message)


class _Context:
    """One stream of text, spoken in order."""

    task: asyncio.Task[None]

    def __init__(
        self,
        name: str,
        socket: Socket,
        options: SpeakOptions,
        speak: _Speak,
        injector: FaultInjector,
    ) -> None:
        self._name = name
        self._socket = socket
        self._options = options
        self._speak = speak
        self._injector = injector
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()
        self._gathered = ""
        self._spoken_ms = 0.0

    def take(self, content: dict[str, Any]) -> None:
        """Process one message of the client."""
        self._gathered += str(content.get("text") or "")
        closing = bool(content.get("close_context"))
        enough = self._options.auto_mode or len(self._gathered) >= _CHUNK_LENGTH
        if enough or closing or content.get("flush"):
            if self._gathered.strip():
                self._texts.put_nowait(self._gathered)
            self._gathered = ""
        if closing:
            self._texts.put_nowait(None)

    async def run(self) -> None:
        """Speak until the context is closed."""
        while (text := await self._texts.get()) is not None:
            await self._say(text)
        await self._socket.send({"contextId": self._name, "isFinal": True})

    async def _say(self, text: str) -> None:
        audio = await self._speak(text)
        duration_ms = len(audio) / 2 / SAMPLE_RATE * 1000
        characters = align(text, start_ms=self._spoken_ms, duration_ms=duration_ms)
        if self._injector.meets(FaultKind.NO_AUDIO):
            await self._send(b"", characters)
            return
        for at in range(0, len(audio), CHUNK_BYTES):
            chunk = audio[at : at + CHUNK_BYTES]
            end_ms = self._spoken_ms + len(chunk) / 2 / SAMPLE_RATE * 1000
            last = at + CHUNK_BYTES >= len(audio)
            said = characters if last else [c for c in characters if c.start_ms < end_ms]
            characters = characters[len(said) :]
            await self._send(chunk, said)
            self._spoken_ms = end_ms

    async def _send(self, audio: bytes, said: list[Character]) -> None:
        alignment = as_message(said) if self._options.sync_alignment else None
        message = {
            "contextId": self._name,
            "audio": base64.b64encode(audio).decode(),
            "alignment": alignment,
            "normalizedAlignment": alignment,
        }
        await self._socket.send(message, audio_bytes=len(audio))


_NO_JSON: Final = Rejection(
    code="invalid_input_message",
    message="Could not parse input message, make sure it is a json and follows the schema "
    "outlined in protocol.",
)
_TOO_MANY_CONTEXTS: Final = Rejection(
    code="max_active_conversations",
    message="Maximum simultaneous contexts per WebSocket connection exceeded "
    f"({MOST_CONTEXTS}). Please close an existing context before opening a new one.",
)


def _too_quiet(timeout_s: float) -> Rejection:
    return Rejection(
        code="input_timeout_exceeded",
        message=f"Have not received a new text input within the timeout of {timeout_s:g} seconds. "
        "Streaming input terminated.",
    )


def _content(message: WSMessage) -> dict[str, Any] | None:
    if message.type is not WSMsgType.TEXT:
        return None
    try:
        content = json.loads(message.data)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
