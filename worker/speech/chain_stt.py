"""Speech to text by a chain of providers, as one livekit STT."""

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

from worker.providers.chain import ProviderChain
from worker.providers.failure import NoProviderLeft
from worker.speech.chain_stt_stream import ChainStream
from worker.speech.stt_ear import CONNECT

#: Seconds of speech without a word of text after which a provider counts as deaf.
PATIENCE_S = 2.0


class ChainSTT(stt.STT[Never]):
    """Listens by the first provider that serves, and by the next where that one fails.

    A provider fails by what it raises, and by what it does not deliver: where `detector` (or,
    without one, loudness) hears speech and no text comes for `patience_s` seconds, the next one
    is given the same audio. No word is said twice, neither by the candidate nor in the text.

    A stream of it never fails: with no provider left it asks them again, with back-off, for as
    long as audio comes. Otherwise livekit-agents would close the session over it.
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
        """The model that serves, for usage figures."""
        return self.chain.engine.model if self.chain.engine else "none"

    @property
    def provider(self) -> str:
        """The chain's member that serves."""
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
                self.chain.failed(name, error)
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
        """A stream over the chain. The providers' own languages are settings."""
        self._stream = ChainStream(
            self,
            self.chain,
            self._detector,
            patience_s=self._patience_s,
            closing=self._closing,
            conn_options=conn_options,
        )
        return self._stream

    def repeat_end_of_speech(self) -> None:
        """Say again that speech has ended, where it has: to one who did not mind it before."""
        if self._stream is not None:
            self._stream.repeat_end_of_speech()

    def end_speech(self) -> None:
        """Say that speech has ended, where it was said to have begun."""
        if self._stream is not None:
            self._stream.end_speech()

    async def aclose(self) -> None:
        """Close every provider that was made."""
        await self.chain.aclose()
