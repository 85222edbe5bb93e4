"""Text to speech by a chain of providers, as one livekit TTS."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from livekit.agents import APITimeoutError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from worker.bounded import retrieve
from worker.providers.chain import ProviderChain
from worker.speech.chain_tts_stream import ChainStream
from worker.speech.fresh_connection import abandoned_connection
from worker.speech.judged_speech import PATIENCE_S
from worker.speech.prepared import SpeechStore
from worker.speech.speech_files import SAMPLE_RATE as SAMPLE_RATE

if TYPE_CHECKING:
    from worker.speech.audio import Pcm


class ChainTTS(tts.TTS[Never]):
    """Speaks sentence by sentence, each by the first provider of the chain that delivers.

    A sentence that is found in `prepared` is spoken from there at once; with nobody left to
    speak, in any voice of the chain. `patience_s` is how many seconds a provider has for its
    first audio; see `worker.speech.judged_speech` for what else it is judged by.
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
        #: Characters a second of each voice, as far as it has spoken.
        self.pace: dict[str, float] = {}
        self._planned: set[str] = set()
        #: What is done aside: nobody waits for it.
        self._working: set[asyncio.Task[Any]] = set()
        self._speaking = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def model(self) -> str:
        """The model that serves, for usage figures."""
        return self.chain.engine.model if self.chain.engine else "none"

    @property
    def provider(self) -> str:
        """The chain's member that serves."""
        return self.chain.serving

    def expect(self, sentences: Iterable[str]) -> None:
        """Sentences that are planned: what is spoken of them is kept as prepared, other speech
        never is."""
        self._planned.update(sentences)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody waits for speech now."""
        return not self._speaking

    async def quiet(self) -> None:
        """Return once no provider is asked for speech that somebody waits for."""
        await self._quiet.wait()

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Speak one text. Raises NoProviderLeft from the stream where nobody can."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        """A stream over the chain, which alone decides who is asked again and when."""
        return ChainStream(self, self)

    def prewarm(self) -> None:
        """Nothing: a provider is made and connected when the chain comes to it."""

    async def aclose(self) -> None:
        """Close every provider that was made. What is not kept by now is not kept."""
        await utils.aio.cancel_and_wait(*self._working)
        await self.chain.aclose()

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Somebody waits for speech meanwhile."""
        self._speaking += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._speaking -= 1
            if not self._speaking:
                self._quiet.set()

    def spoken(self, name: str, sentence: str, pace: float, parts: Sequence[Pcm]) -> None:
        """A provider has spoken a whole sentence: keep it, if it is a planned one."""
        self.pace[name] = pace
        if self.prepared is None or sentence not in self._planned:
            return
        keep = self.prepared.keep(name, sentence, np.concatenate(parts))
        self._aside(keep, "keep-speech")

    def let_go(self, engine: tts.TTS[Any], error: BaseException) -> None:
        """A provider has failed so. Where it did not answer its connection may be half open, and
        its next words need another one."""
        late = isinstance(error, (TimeoutError, APITimeoutError))
        if late and (closing := abandoned_connection(engine)) is not None:
            self._aside(closing, "close-connection")

    def _aside(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._working.add(task)
        task.add_done_callback(retrieve)
        task.add_done_callback(self._working.discard)
