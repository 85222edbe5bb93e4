"""One live stream of the Deepgram server: audio and control messages in, results out.

The messages follow Deepgram's documentation of /v1/listen and recordings from the service
(developers.deepgram.com/docs: interim-results, endpointing, finalize, close-stream,
audio-keep-alive, stt-troubleshooting-websocket-data-and-net-errors).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from aiohttp import WSMsgType
from livekit import rtc

from tests.stand_ins._segments import (
    RATE,
    Event,
    Segment,
    Segmenter,
    SegmentOptions,
    SpeechStarted,
    UtteranceEnded,
)
from worker.audio import dsp
from worker.audio.frames import frame_of, samples_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import WSMessage

    from tests.stand_ins._injector import Socket
    from worker.audio.dsp import Floats

MODEL_UUID: Final = "40bd3654-e622-47c4-a111-63a61b23bfe8"
_NET_0001: Final = (
    "Deepgram did not receive audio data or a text message within the timeout window. "
    "See https://dpgr.am/net0001"
)
#: A plausible confidence. The real ones differ from word to word; no more is known of them.
_CONFIDENCE: Final = 0.98

_Hear: TypeAlias = "Callable[[Floats], Awaitable[str]]"


@dataclass(frozen=True, kw_only=True)
class ListenOptions:
    """Options in the query of a request."""

    model: str
    sample_rate: int
    segments: SegmentOptions
    interim_results: bool
    vad_events: bool
    #: Send capitals and punctuation (`punctuate` or `smart_format`).
    formatted: bool


class Listening:
    """One stream, from its upgrade to its close."""

    def __init__(
        self,
        socket: Socket,
        options: ListenOptions,
        hear: _Hear,
        *,
        request_id: str,
        idle_timeout_s: float,
    ) -> None:
        self._socket = socket
        self._options = options
        self._hear = hear
        self._request_id = request_id
        self._idle_timeout_s = idle_timeout_s
        self._segmenter = Segmenter(options.segments)
        self._resampler = (
            None if options.sample_rate == RATE else rtc.AudioResampler(options.sample_rate, RATE)
        )
        self._odd_byte = b""
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._created = datetime.now(UTC)

    @property
    def heard_s(self) -> float:
        """Seconds of audio that the client has sent."""
        return self._segmenter.heard_s

    async def run(self) -> None:
        """Serve the stream until either side closes it."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write(), name="deepgram results")
            try:
                farewell = await self._read()
                if farewell is None:
                    return
                self._events.put_nowait(None)
                await writing
                await self._socket.send(self._metadata())
                await self._socket.close(*farewell)
            finally:
                writing.cancel()

    async def _read(self) -> tuple[int, str] | None:
        """Process the client's messages; return close code and reason, or None if it left."""
        messages = self._socket.messages()
        while True:
            try:
                async with asyncio.timeout(self._idle_timeout_s):
                    message = await anext(messages, None)
            except TimeoutError:
                return 1011, _NET_0001
            if message is None:
                return None
            # An empty binary frame ends the stream like CloseStream (the older protocol).
            if message.type is WSMsgType.BINARY and message.data:
                await self._take_audio(message.data)
            elif farewell := self._take_control(message):
                return farewell

    async def _take_audio(self, data: bytes) -> None:
        await self._socket.heard(len(data))
        data = self._odd_byte + data
        whole = len(data) // 2 * 2
        data, self._odd_byte = data[:whole], data[whole:]
        samples = np.frombuffer(data, np.int16)
        if self._resampler is not None:
            frames = self._resampler.push(frame_of(samples, self._options.sample_rate))
            samples = np.concatenate([samples[:0], *(samples_of(frame) for frame in frames)])
        self._queue(self._segmenter.hear(dsp.to_float(samples)))

    def _take_control(self, message: WSMessage) -> tuple[int, str] | None:
        kind = _type_of(message)
        if kind == "Finalize":
            self._queue(self._segmenter.finish(from_finalize=True))
        elif kind == "CloseStream":
            self._queue(self._segmenter.finish(from_finalize=False))
            return 1000, ""
        elif kind != "KeepAlive":
            return 1008, "DATA-0000 the message is not one that the client may send"
        return None

    def _queue(self, events: list[Event]) -> None:
        for event in events:
            self._events.put_nowait(event)

    async def _write(self) -> None:
        while (event := await self._events.get()) is not None:
            if isinstance(event, Segment):
                await self._write_segment(event)
            elif isinstance(event, UtteranceEnded):
                last = round(event.last_word_end_s, 2)
                await self._socket.send(
                    {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last}
                )
            elif isinstance(event, SpeechStarted) and self._options.vad_events:
                started = round(event.at_s, 2)
                await self._socket.send(
                    {"type": "SpeechStarted", "channel": [0], "timestamp": started}
                )

    async def _write_segment(self, segment: Segment) -> None:
        # Skip an interim result that is late: the next queued event has more information.
        unwanted = not self._options.interim_results or not self._events.empty()
        if not segment.is_final and unwanted:
            return
        text = await self._hear(segment.speech) if segment.speech.size else ""
        await self._socket.send(self._results(segment, text))

    def _results(self, segment: Segment, text: str) -> dict[str, Any]:
        words = _words(text, segment, formatted=self._options.formatted)
        alternative = {
            "transcript": text if self._options.formatted else " ".join(w["word"] for w in words),
            "confidence": _CONFIDENCE if words else 0.0,
            "words": words,
        }
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "duration": round(segment.end_s - segment.start_s, 6),
            "start": round(segment.start_s, 6),
            "is_final": segment.is_final,
            "speech_final": segment.speech_final,
            "channel": {"alternatives": [alternative]},
            "metadata": {
                "request_id": self._request_id,
                "model_info": self._model_info(),
                "model_uuid": MODEL_UUID,
            },
            "from_finalize": segment.from_finalize,
        }

    def _metadata(self) -> dict[str, Any]:
        about: dict[str, Any] = {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": "incomplete",
            "created": self._created.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "duration": round(self.heard_s, 6),
            "channels": 1,
        }
        if self.heard_s:
            about |= {"models": [MODEL_UUID], "model_info": {MODEL_UUID: self._model_info()}}
        return about

    def _model_info(self) -> dict[str, str]:
        return {
            "name": f"general-{self._options.model}",
            "version": "2025-04-17.21547",
            "arch": self._options.model,
        }


def _type_of(message: WSMessage) -> str:
    if message.type is WSMsgType.BINARY:
        return "CloseStream"
    try:
        content = json.loads(message.data)
    except ValueError:
        return ""
    return str(content.get("type", "")) if isinstance(content, dict) else ""


def _words(text: str, segment: Segment, *, formatted: bool) -> list[dict[str, Any]]:
    """Return the words of a text, spread over the segment's speech by their length."""
    spoken = [word for word in text.split() if any(map(str.isalnum, word))]
    length = sum(len(word) + 1 for word in spoken)
    at = segment.speech_start_s
    words: list[dict[str, Any]] = []
    for word in spoken:
        end = at + (segment.speech_end_s - segment.speech_start_s) * (len(word) + 1) / length
        words.append(
            {
                "word": word.lower().strip(".,;:!?\"'()"),
                "start": round(at, 3),
                "end": round(end, 3),
                "confidence": _CONFIDENCE,
            }
            | ({"punctuated_word": word} if formatted else {})
        )
        at = end
    return words
