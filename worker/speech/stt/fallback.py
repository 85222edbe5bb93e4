"""Speech to text over a fallback chain of providers, as one LiveKit STT."""

from __future__ import annotations

import asyncio
from typing import Any, Never

from livekit.agents import stt, vad
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)
from livekit.agents.utils import AudioBuffer

from worker.fallback.chain import ProviderChain
from worker.fallback.failure import NoProviderLeft
from worker.speech.stt.fallback_stream import ChainStream
from worker.speech.stt.provider_stream import CONNECT

#: Seconds of speech without a transcript after which the next provider is asked.
PATIENCE_S = 2.0


class ChainSTT(stt.STT[Never]):
    """STT that transcribes with the first working provider of a fallback chain.

    A provider counts as failed if it raises an error or gives no transcript. If `detector` detects
    speech and no text arrives for `patience_s` seconds, the next provider receives the same audio.
    Without a `detector`, loudness decides what is speech. A change of the provider neither loses
    nor duplicates words. After the change, the words of the buffered audio arrive as one final
    transcript.

    The streams of a ChainSTT never fail, because an error would make livekit-agents close the
    session. If no provider is available, a stream repeatedly asks the chain for a provider, with
    backoff, as long as audio arrives.
    """

    def __init__(
        self,
        chain: ProviderChain[stt.STT[Any]],
        *,
        detector: vad.VAD | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.chain = chain
        self._detector = detector
        self._patience_s = patience_s
        self._closing: set[asyncio.Task[None]] = set()
        self._stream: ChainStream | None = None

    @property
    def model(self) -> str:
        """Model of the serving provider, for usage metrics."""
        return self.chain.engine.model if self.chain.engine else "none"

    @property
    def provider(self) -> str:
        """Name of the serving provider in the chain."""
        return self.chain.serving

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        for name, engine in self.chain.candidates():
            try:
                event = await engine.recognize(buffer, language=language, conn_options=CONNECT)
            except Exception as error:
                self.chain.failed(name, error, engine=engine)
            else:
                self.chain.served(name)
                return event
        raise NoProviderLeft(self.chain.resource)

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        """Open a stream over the chain.

        `language` is ignored, because the settings choose the language.
        """
        self._stream = ChainStream(
            self,
            self.chain,
            self._detector,
            patience_s=self._patience_s,
            closing=self._closing,
            conn_options=conn_options,
        )
        return self._stream

    @property
    def is_behind(self) -> bool:
        """True if a transcript of earlier speech is still expected.

        While `is_behind` is True, the end of a transcript does not mean that the speaker has
        finished.
        """
        return self._stream is not None and self._stream.is_behind

    async def caught_up(self) -> None:
        """Wait until no transcript of earlier speech is expected; `CatchUp` limits the wait."""
        while self._stream is not None and self._stream.is_behind:
            await self._stream.caught_up()

    def repeat_end_of_speech(self) -> None:
        """Emit the newest END_OF_SPEECH again, for a listener that ignored the first one."""
        if self._stream is not None:
            self._stream.repeat_end_of_speech()

    def end_speech(self) -> None:
        """Emit END_OF_SPEECH if the last START_OF_SPEECH has had no END_OF_SPEECH yet."""
        if self._stream is not None:
            self._stream.end_speech()

    async def aclose(self) -> None:
        """Close every provider that was created."""
        await self.chain.aclose()
