"""One utterance by a chain of providers: who speaks each sentence of it, and from which word on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from livekit.agents import tokenize, tts, utils

from worker.providers.failure import NoProviderLeft
from worker.speech.heard_words import TYPICAL_PACE, has_words
from worker.speech.judged_speech import CONNECT, Attempt
from worker.speech.local_models import SENTENCE_PAUSE_S
from worker.speech.speech_files import SAMPLE_RATE

if TYPE_CHECKING:
    from worker.providers.chain import ProviderChain
    from worker.speech.audio import Pcm
    from worker.speech.prepared import SpeechStore

#: Each sentence alone, however short: merged with its neighbours, as the tokenizer does by
#: default, the same sentence would be another one after every other acknowledgement.
SENTENCES: Final = tokenize.blingfire.SentenceTokenizer(min_sentence_len=1)
#: Seconds of audio handed on at once: longer blocks the event loop while it is cut into frames.
_CHUNK_S: Final = 0.2
#: For a text in which there is nothing to be said aloud ("...").
_SILENCE: Final = np.zeros(SAMPLE_RATE // 10, np.int16)
#: Of 32768: what is quieter is no part of a word.
_QUIET: Final = 164


def sentences_of(text: str) -> list[str]:
    """A text's sentences, each as it is spoken and prepared."""
    return SENTENCES.tokenize(text)


class SentenceSource(Protocol):
    """The text-to-speech fallback chain, as one of its streams uses it."""

    @property
    def chain(self) -> ProviderChain[tts.TTS[Any]]:
        """The providers."""

    @property
    def prepared(self) -> SpeechStore | None:
        """The TTS cache, if there is one."""

    @property
    def patience_s(self) -> float:
        """Seconds that a provider has for the first audio of a sentence."""

    @property
    def pace(self) -> Mapping[str, float]:
        """The measured pace of each provider, by name."""

    def speaking(self) -> AbstractContextManager[None]:
        """Mark the chain as speaking for as long as the block runs."""

    def spoken(self, name: str, sentence: str, pace: float, parts: Sequence[Pcm]) -> None:
        """Take note of a sentence that a provider has spoken whole."""

    def let_go(self, engine: tts.TTS[Any], error: BaseException) -> None:
        """Drop the connection on which a sentence failed."""


class ChainStream(tts.SynthesizeStream):
    """One utterance over the chain."""

    def __init__(self, owner: tts.TTS[Any], source: SentenceSource) -> None:
        super().__init__(tts=owner, conn_options=CONNECT)
        self._source = source
        self._chain = source.chain
        #: Who has begun the utterance: the voice changes in the middle only where it must.
        self._voice: str | None = None
        self._spoke = False
        #: Samples of silence at the end of what was said so far.
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
            # What came before is heard to its end; the emitter would drop its tail.
            output_emitter.end_input()
            await output_emitter.join()
            raise
        if not self._spoke:
            # Of a text without audio the base class raises an error that quotes it.
            await self._push(_SILENCE, output_emitter)
        output_emitter.end_segment()

    async def _say_all(self, emitter: tts.AudioEmitter) -> None:
        sentences = SENTENCES.stream()
        feeding = asyncio.create_task(self._feed(sentences), name="feed-sentences")
        try:
            # A sentence is asked for once the audio of the one before has come, which is long
            # before that was played: asking earlier would gain nothing.
            async for sentence in sentences:
                self._mark_started()
                if self._spoke:
                    await self._pause(emitter)
                await self._say(sentence.token, emitter)
        finally:
            await utils.aio.cancel_and_wait(feeding)
            await sentences.aclose()

    async def _feed(self, sentences: tokenize.SentenceStream) -> None:
        async for text in self._input_ch:
            if isinstance(text, str):
                sentences.push_text(text)
            else:
                sentences.flush()
        sentences.end_input()

    async def _say(self, sentence: str, emitter: tts.AudioEmitter) -> None:
        """Speak a sentence: as prepared, by the first provider that delivers, or as prepared in
        any voice. Raises NoProviderLeft."""
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
        """Whose prepared speech is as good as, or better than, what would be spoken now: the
        first choice's, also where that one cannot speak by itself."""
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
        """Speak it by one after the other, each from the word on that was reached."""
        rest = sentence
        while (candidate := candidates.take()) is not None:
            name, engine = candidate
            attempt = Attempt(
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
            except Exception as error:  # whatever a plugin raises, somebody must go on speaking
                self._chain.failed(name, error)
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
        """Let a sentence be over before the next one, as far as its voice has not."""
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
    """Whom to ask, one after the other; whoever is next is made when somebody wants to know."""

    def __init__(self, candidates: Iterator[tuple[str, tts.TTS[Any]]]) -> None:
        self._candidates = candidates
        self._next: tuple[str, tts.TTS[Any]] | None = None

    @property
    def first(self) -> str | None:
        """Who is next, by name."""
        return self._next[0] if self.waiting() and self._next else None

    def waiting(self) -> bool:
        """Whether there is anybody left."""
        if self._next is None:
            self._next = next(self._candidates, None)
        return self._next is not None

    def take(self) -> tuple[str, tts.TTS[Any]] | None:
        """The next one; None where nobody is left."""
        taken = self._next if self.waiting() else None
        self._next = None
        return taken
