"""Fake providers, behind livekit's base classes, whose behaviour a test controls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Never

import numpy as np
from livekit import rtc
from livekit.agents import llm, stt, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions

from worker.fallback.chain import ProviderChain

#: Returns the provider's next result: an error to raise, or None for success.
Fate = Callable[[], BaseException | None]


def in_turn(*fates: BaseException | None) -> Fate:
    """Return a fate that gives these results in order; the last one repeats."""
    left = list(fates)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


#: The fate of a provider that always succeeds.
WORKS = in_turn(None)


async def _meet(fate: Fate) -> None:
    error = fate()
    if isinstance(error, asyncio.CancelledError):
        await asyncio.Event().wait()  # hangs until it is cancelled
    if error is not None:
        raise error


#: The result of a provider that accepts everything and never answers.
HANGS = asyncio.CancelledError()


class Closable:
    """Records that it was closed."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


class FakeTTS(Closable, tts.TTS[Never]):
    """TTS that returns `seconds` of sound for each text and records the texts."""

    def __init__(self, fate: Fate = WORKS, *, seconds: float = 1.0) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=24_000, num_channels=1
        )
        self.fate, self.seconds = fate, seconds
        self.said: list[str] = []

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _FakeSpeech(tts=self, input_text=text, conn_options=conn_options)


class _FakeSpeech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        provider: Any = self._tts
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=24_000,
            num_channels=1,
            mime_type="audio/pcm",
        )
        await _meet(provider.fate)
        provider.said.append(self._input_text)
        output_emitter.push(np.full(round(provider.seconds * 24_000), 1000, np.int16).tobytes())


class FakeSTT(Closable, stt.STT[Never]):
    """STT that returns the transcript "frame" for each audio frame."""

    def __init__(self, fate: Fate = WORKS) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.fate = fate
        self.streams = 0

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        await _meet(self.fate)
        return heard("recognised")

    def stream(
        self,
        *,
        language: Any = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        self.streams += 1
        return _FakeHearing(stt=self, conn_options=conn_options)


class _FakeHearing(stt.RecognizeStream):
    async def _run(self) -> None:
        provider: Any = self._stt
        async for item in self._input_ch:
            if not isinstance(item, rtc.AudioFrame):
                continue
            await _meet(provider.fate)
            self._event_ch.send_nowait(heard("frame"))


def heard(text: str) -> stt.SpeechEvent:
    """Return a final transcript event."""
    return stt.SpeechEvent(
        type=stt.SpeechEventType.FINAL_TRANSCRIPT,
        # SpeechData coerces a str to its language type.
        alternatives=[stt.SpeechData(language="en", text=text)],  # type: ignore[arg-type]
    )


class FakeLLM(Closable, llm.LLM[Never]):
    """LLM that replies with its words, one chunk per word."""

    def __init__(self, *words: str, fate: Fate = WORKS) -> None:
        super().__init__()
        self.words, self.fate = words, fate

    def chat(self, *, chat_ctx: llm.ChatContext, **options: Any) -> llm.LLMStream:
        return _FakeReply(self, chat_ctx=chat_ctx, tools=[], conn_options=options["conn_options"])


class _FakeReply(llm.LLMStream):
    async def _run(self) -> None:
        provider: Any = self._llm
        await _meet(provider.fate)
        for word in provider.words:
            delta = llm.ChoiceDelta(role="assistant", content=word)
            self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))


def chain_of(resource: str, **engines: Any) -> ProviderChain[Any]:
    """Return a fallback chain; an engine that is an exception is raised by its constructor."""

    def maker(engine: Any) -> Callable[[], Any]:
        def make() -> Any:
            made = engine() if callable(engine) else engine
            if isinstance(made, BaseException):
                raise made
            return made

        return make

    return ProviderChain(resource, [(name, maker(engine)) for name, engine in engines.items()])
