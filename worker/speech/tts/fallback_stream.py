"""TTS stream of one utterance over a fallback chain, with a choice of provider per sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from livekit.agents import tokenize, tts, utils

from worker.aio.tasks import cancel_and_wait
from worker.fallback.failure import NoProviderLeft
from worker.speech.local_models import SENTENCE_PAUSE_S
from worker.speech.tts.attempt import CONNECT, SynthesisAttempt
from worker.speech.tts.cache_files import SAMPLE_RATE
from worker.speech.tts.word_timing import TYPICAL_PACE, has_words

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm
    from worker.fallback.chain import ProviderChain
    from worker.speech.tts.cache import SpeechStore

#: Splits a text into single sentences, however short. By default the tokenizer merges a short
#: sentence with its neighbour, and the cache would contain the short sentence only together with
#: that neighbour.
SENTENCES: Final = tokenize.blingfire.SentenceTokenizer(min_sentence_len=1)
#: Seconds of audio that are pushed to the emitter at once. A longer piece would block the event
#: loop for longer while the audio is cut into frames.
_CHUNK_S: Final = 0.2
#: Silence of 0.1 s: the audio of a text without words, such as "...".
_SILENCE: Final = np.zeros(SAMPLE_RATE // 10, np.int16)
#: Amplitude (full scale is 32768) up to which a sample counts as silent.
_QUIET: Final = 164


def sentences_of(text: str) -> list[str]:
    """Split a text into the sentences that are spoken and cached one by one."""
    return SENTENCES.tokenize(text)


class SentenceSource(Protocol):
    """The part of `ChainTTS` that its streams use."""

    @property
    def chain(self) -> ProviderChain[tts.TTS[Any]]:
        """The fallback chain of providers."""

    @property
    def prepared(self) -> SpeechStore | None:
        """The TTS cache; None if there is no cache."""

    @property
    def patience_s(self) -> float:
        """Timeout in seconds for a provider's first audio of a sentence."""

    @property
    def pace(self) -> Mapping[str, float]:
        """Measured speed of each voice in characters per second, by provider name."""

    def speaking(self) -> AbstractContextManager[None]:
        """Mark that an utterance waits for synthesis while the context is open."""

    def spoken(self, name: str, sentence: str, pace: float, parts: Sequence[Pcm]) -> None:
        """Record a sentence that a provider has spoken completely."""

    def let_go(self, engine: tts.TTS[Any], error: BaseException) -> None:
        """Drop the provider's connection if `error` is a timeout."""


class ChainStream(tts.SynthesizeStream):
    """TTS stream of one utterance over the fallback chain."""

    def __init__(self, owner: tts.TTS[Any], source: SentenceSource) -> None:
        super().__init__(tts=owner, conn_options=CONNECT)
        self._source = source
        self._chain = source.chain
        #: Provider whose voice spoke the last sentence of this utterance; None before the first
        #: sentence. Cached audio in this voice is preferred to live speech.
        self._voice: str | None = None
        self._spoke = False
        #: Number of silent samples at the end of the audio so far.
        self._quiet = 0

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid("chain_"),
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        try:
            with self._source.speaking():
                await self._say_all(output_emitter)
        except NoProviderLeft:
            # Let the candidate hear the audio so far to its end. Without `join`, the emitter would
            # drop the last part of that audio.
            output_emitter.end_input()
            await output_emitter.join()
            raise
        if not self._spoke:
            # Push silence, because the base class raises an error that quotes the text if the text
            # has no audio.
            await self._push(_SILENCE, output_emitter)
        output_emitter.end_segment()

    async def _say_all(self, emitter: tts.AudioEmitter) -> None:
        sentences = SENTENCES.stream()
        feeding = asyncio.create_task(self._feed(sentences), name="feed-sentences")
        try:
            # Request a sentence when the audio of the previous sentence has arrived. Audio arrives
            # long before it has been played, so an earlier request would gain nothing.
            async for sentence in sentences:
                self._mark_started()
                if self._spoke:
                    await self._pause(emitter)
                await self._say(sentence.token, emitter)
        finally:
            await cancel_and_wait(feeding)
            await sentences.aclose()

    async def _feed(self, sentences: tokenize.SentenceStream) -> None:
        async for text in self._input_ch:
            if isinstance(text, str):
                sentences.push_text(text)
            else:
                sentences.flush()
        sentences.end_input()

    async def _say(self, sentence: str, emitter: tts.AudioEmitter) -> None:
        """Speak a sentence from the cache, else live, else from the cache in any voice.

        Raises NoProviderLeft if the cache and all providers fail.
        """
        if not has_words(sentence):
            await self._push(_SILENCE, emitter)
            return
        candidates = _Candidates(self._chain.candidates())
        if await self._say_prepared(sentence, self._voices(candidates.first), emitter):
            return
        if await self._say_live(sentence, candidates, emitter):
            return
        if await self._say_prepared(sentence, self._chain.names, emitter):
            return
        raise NoProviderLeft(self._chain.resource)

    def _voices(self, serving: str | None) -> tuple[str, ...]:
        """Return the voices whose cached audio is preferred to live speech.

        `serving` is the first provider of the chain that can speak live; None if no provider can.
        If the utterance already has a voice, only that voice is returned. Otherwise, the voices of
        `serving` and of the providers before `serving` in the chain are returned, or all voices if
        `serving` is None.
        """
        names = self._chain.names
        if self._voice is not None:
            return (self._voice,)
        return names if serving is None else names[: names.index(serving) + 1]

    async def _say_prepared(
        self, sentence: str, voices: Iterable[str], emitter: tts.AudioEmitter
    ) -> bool:
        if self._source.prepared is None:
            return False
        for name in voices:
            pcm = await self._source.prepared.find(name, sentence)
            if pcm is not None:
                self._voice = name
                await self._push(pcm, emitter)
                return True
        return False

    async def _say_live(
        self, sentence: str, candidates: _Candidates, emitter: tts.AudioEmitter
    ) -> bool:
        """Try the providers in turn until one has spoken the sentence. Return False if all fail.

        Each provider continues at the word that the previous provider did not finish.
        """
        rest = sentence
        while (candidate := candidates.take()) is not None:
            name, engine = candidate
            attempt = SynthesisAttempt(
                name,
                engine,
                rest,
                patience_s=self._source.patience_s,
                others=candidates.waiting,
                pace=self._source.pace.get(name, TYPICAL_PACE),
            )
            parts: list[Pcm] = []
            try:
                async with aclosing(attempt.audio()) as audio:
                    async for part in audio:
                        parts.append(part)
                        await self._push(part, emitter)
            except Exception as error:  # a plugin may raise any error; speech must continue
                self._chain.failed(name, error, engine=engine)
                self._source.let_go(engine, error)
                rest = attempt.rest()
                if not has_words(rest):
                    return True
            else:
                self._chain.served(name)
                self._voice = name
                if rest == sentence:
                    self._source.spoken(name, sentence, attempt.measured_pace, parts)
                return True
        return False

    async def _pause(self, emitter: tts.AudioEmitter) -> None:
        """Add silence after a sentence if the sentence's audio does not end with enough silence."""
        lacking = round(SENTENCE_PAUSE_S * SAMPLE_RATE) - self._quiet
        await self._push(np.zeros(max(0, lacking), np.int16), emitter)

    async def _push(self, pcm: Pcm, emitter: tts.AudioEmitter) -> None:
        self._spoke = True
        loud = np.flatnonzero(np.abs(pcm) > _QUIET)
        self._quiet = len(pcm) - 1 - int(loud[-1]) if loud.size else self._quiet + len(pcm)
        step = round(_CHUNK_S * SAMPLE_RATE)
        for start in range(0, len(pcm), step):
            emitter.push(pcm[start : start + step].tobytes())
            await asyncio.sleep(0)


class _Candidates:
    """The providers to try, in order.

    A provider is created only when it becomes the next provider.
    """

    def __init__(self, candidates: Iterator[tuple[str, tts.TTS[Any]]]) -> None:
        self._candidates = candidates
        self._next: tuple[str, tts.TTS[Any]] | None = None

    @property
    def first(self) -> str | None:
        """Name of the next provider; None if none is left."""
        return self._next[0] if self.waiting() and self._next else None

    def waiting(self) -> bool:
        """Return whether a provider is left."""
        if self._next is None:
            self._next = next(self._candidates, None)
        return self._next is not None

    def take(self) -> tuple[str, tts.TTS[Any]] | None:
        """Return the next provider; None if none is left."""
        taken = self._next if self.waiting() else None
        self._next = None
        return taken
