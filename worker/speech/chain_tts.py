"""Text to speech by a chain of providers, as one livekit TTS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Never

from livekit.agents import APIConnectionError, tokenize, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from worker.speech.provider_chain import NoProviderLeft, ProviderChain

#: Every provider speaks at this rate (hertz): one line carries all of their voices.
SAMPLE_RATE = 24_000
#: Seconds to connect. The next provider is asked at once, so no provider tries again by itself.
_CONNECT = APIConnectOptions(max_retry=0, timeout=5.0)
#: Seconds without another frame after which a provider that was given words has failed.
_PATIENCE_S = 3.0


class ChainTTS(tts.TTS[Never]):
    """Speaks sentence by sentence, each by the first provider of the chain that serves."""

    def __init__(self, chain: ProviderChain[tts.TTS[Any]]) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True),
            sample_rate=SAMPLE_RATE,
            num_channels=1,
        )
        self.chain = chain

    @property
    def model(self) -> str:
        """The model that serves, for usage figures."""
        return self.chain.engine.model if self.chain.engine else "none"

    @property
    def provider(self) -> str:
        """The chain's member that serves."""
        return self.chain.serving

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Speak one text. Raises NoProviderLeft from the stream where nobody can."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        """A stream over the chain, which alone decides who is asked again and when."""
        return _ChainStream(self)

    def prewarm(self) -> None:
        """Nothing: a provider is made and connected when the chain comes to it."""

    async def aclose(self) -> None:
        """Close every provider that was made."""
        await self.chain.aclose()


class _ChainStream(tts.SynthesizeStream):
    def __init__(self, owner: ChainTTS) -> None:
        super().__init__(tts=owner, conn_options=_CONNECT)
        self._chain = owner.chain

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid("chain_"),
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        sentences = tokenize.blingfire.SentenceTokenizer().stream()
        feeding = asyncio.create_task(self._feed(sentences), name="feed-sentences")
        try:
            async for sentence in sentences:
                self._mark_started()
                await self._say(sentence.token, output_emitter)
        finally:
            await utils.aio.cancel_and_wait(feeding)
            await sentences.aclose()
        output_emitter.end_segment()

    async def _feed(self, sentences: tokenize.SentenceStream) -> None:
        async for text in self._input_ch:
            if isinstance(text, str):
                sentences.push_text(text)
            else:
                sentences.flush()
        sentences.end_input()

    async def _say(self, sentence: str, emitter: tts.AudioEmitter) -> None:
        """Speak a sentence by the first provider that can; a part that was heard stays heard."""
        for name, engine in self._chain.candidates():
            heard = False
            try:
                async for audio in _frames(engine, sentence):
                    emitter.push(audio)
                    heard = True
                if not heard:
                    raise APIConnectionError("the provider gave no audio")
            except Exception as error:  # whatever a plugin raises, somebody must go on speaking
                self._chain.failed(name, error)
                if heard:
                    return
            else:
                self._chain.served(name)
                return
        raise NoProviderLeft(self._chain.resource)


async def _frames(engine: tts.TTS[Any], sentence: str) -> AsyncIterator[bytes]:
    """A provider's audio for a sentence. Raises what the plugin does, and TimeoutError."""
    async with _opened(engine, sentence) as stream:
        frames = aiter(stream)
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    audio = await anext(frames)
            except StopAsyncIteration:
                return
            yield audio.frame.data.tobytes()


def _opened(
    engine: tts.TTS[Any], sentence: str
) -> AbstractAsyncContextManager[tts.SynthesizeStream | tts.ChunkedStream]:
    if not engine.capabilities.streaming:
        return engine.synthesize(sentence, conn_options=_CONNECT)
    stream = engine.stream(conn_options=_CONNECT)
    stream.push_text(sentence)
    stream.end_input()
    return stream
