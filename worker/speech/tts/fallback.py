"""Text to speech over a fallback chain of providers, as one LiveKit TTS."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from livekit.agents import APITimeoutError, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from worker.aio.tasks import cancel_and_wait
from worker.aio.timeouts import retrieve
from worker.fallback.chain import ProviderChain
from worker.speech.tts.attempt import PATIENCE_S
from worker.speech.tts.cache import SpeechStore
from worker.speech.tts.cache_files import SAMPLE_RATE as SAMPLE_RATE
from worker.speech.tts.elevenlabs_reconnect import abandoned_connection
from worker.speech.tts.fallback_stream import ChainStream

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm


class ChainTTS(tts.TTS[Never]):
    """TTS that speaks each sentence with the first working provider of the chain.

    A sentence that is in the cache `prepared` is played from the cache at once. If no provider can
    speak a sentence, its cached audio in any voice of the chain is played. `patience_s` is the
    timeout in seconds for a provider's first audio. Besides a timeout, errors of a provider's
    plugin and the exceptions of the module `worker.speech.tts.attempt` count as failures of the
    provider.
    """

    def __init__(
        self,
        chain: ProviderChain[tts.TTS[Any]],
        *,
        prepared: SpeechStore | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True),
            sample_rate=SAMPLE_RATE,
            num_channels=1,
        )
        self.chain = chain
        self.prepared = prepared
        self.patience_s = patience_s
        #: Measured speed of each voice that has spoken, in characters per second, by provider name.
        self.pace: dict[str, float] = {}
        self._planned: set[str] = set()
        #: Background tasks that no caller waits for.
        self._working: set[asyncio.Task[Any]] = set()
        self._speaking = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def model(self) -> str:
        """Model of the serving provider, for usage metrics."""
        return self.chain.engine.model if self.chain.engine else "none"

    @property
    def provider(self) -> str:
        """Name of the serving provider in the chain."""
        return self.chain.serving

    def expect(self, sentences: Iterable[str]) -> None:
        """Register planned sentences. Only planned sentences are cached after they were spoken."""
        self._planned.update(sentences)

    @property
    def is_quiet(self) -> bool:
        """True if no utterance waits for synthesis."""
        return not self._speaking

    async def quiet(self) -> None:
        """Return once no utterance waits for synthesis."""
        await self._quiet.wait()

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Synthesise one text. The stream raises NoProviderLeft if no provider can speak."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        """Open a stream over the chain. The chain handles retries, so `conn_options` is ignored."""
        return ChainStream(self, self)

    def prewarm(self) -> None:
        """Do nothing, because the chain creates and connects a provider only at its first use."""

    async def aclose(self) -> None:
        """Close every provider that was created. Unfinished cache writes are cancelled."""
        await cancel_and_wait(*self._working)
        await self.chain.aclose()

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Mark that an utterance waits for synthesis while the context is open."""
        self._speaking += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._speaking -= 1
            if not self._speaking:
                self._quiet.set()

    def spoken(self, name: str, sentence: str, pace: float, parts: Sequence[Pcm]) -> None:
        """Record a sentence that a provider has spoken completely. A planned sentence is cached."""
        self.pace[name] = pace
        if self.prepared is None or sentence not in self._planned:
            return
        keep = self.prepared.keep(name, sentence, np.concatenate(parts))
        self._aside(keep, "keep-speech")

    def let_go(self, engine: tts.TTS[Any], error: BaseException) -> None:
        """Drop the provider's connection if `error` is a timeout.

        After a timeout the connection may be half open, so the provider's next text must use a new
        connection.
        """
        late = isinstance(error, (TimeoutError, APITimeoutError))
        if late and (closing := abandoned_connection(engine)) is not None:
            self._aside(closing, "close-connection")

    def _aside(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._working.add(task)
        task.add_done_callback(retrieve)
        task.add_done_callback(self._working.discard)
