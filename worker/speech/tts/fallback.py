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
    """Speaks sentence by sentence, each with the first provider of the chain that delivers.

    A sentence in the cache `prepared` is spoken from there at once. If no provider can speak, the
    cached audio of any voice of the chain is used. `patience_s` is the timeout of a provider in
    seconds for its first audio; see `worker.speech.tts.attempt` for the other criteria.
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
        #: Measured characters per second of each voice that has spoken.
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
        """Register planned sentences: these are cached when they are spoken, other speech never."""
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
        """Speak one text. The stream raises NoProviderLeft if no provider can."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        """Open a stream over the chain. `conn_options` is ignored: the chain controls retries."""
        return ChainStream(self, self)

    def prewarm(self) -> None:
        """Do nothing: the chain creates and connects a provider when it first uses it."""

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
        """Record a sentence that a provider has spoken to its end; cache a planned one."""
        self.pace[name] = pace
        if self.prepared is None or sentence not in self._planned:
            return
        keep = self.prepared.keep(name, sentence, np.concatenate(parts))
        self._aside(keep, "keep-speech")

    def let_go(self, engine: tts.TTS[Any], error: BaseException) -> None:
        """Replace the connection of a provider whose request failed with a timeout.

        Its connection may be half open, and its next text needs another one.
        """
        late = isinstance(error, (TimeoutError, APITimeoutError))
        if late and (closing := abandoned_connection(engine)) is not None:
            self._aside(closing, "close-connection")

    def _aside(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._working.add(task)
        task.add_done_callback(retrieve)
        task.add_done_callback(self._working.discard)
