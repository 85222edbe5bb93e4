"""Fill the TTS cache in the background, while no utterance waits for synthesis."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from livekit.agents.voice.transcription.filters import filter_emoji, filter_markdown

from worker.fallback.failure import failure_of
from worker.speech.tts.attempt import LAST_PATIENCE_S, SynthesisAttempt
from worker.speech.tts.fallback_stream import sentences_of
from worker.speech.tts.word_timing import has_words

if TYPE_CHECKING:
    from livekit.agents import tts

    from worker.audio.dsp import Pcm
    from worker.speech.tts.cache import SpeechStore
    from worker.speech.tts.fallback import ChainTTS

logger = logging.getLogger(__name__)

#: Maximum number of requests that the warm-up of one job sends to providers.
MOST_REQUESTS: Final = 500
#: Maximum number of characters that the warm-up of one job sends to providers, enough for half an
#: hour of speech.
MOST_CHARACTERS: Final = 30_000
#: Seconds before the first request of a warm-up. During this time a new interview speaks its
#: greeting, and the live speech of the greeting is cached, too.
_HEAD_START_S: Final = 1.0
#: Minimum pause in seconds between two requests. The pause is at least as long as the last request
#: took, so that a local speech model uses at most half of one processor.
_LEAST_PAUSE_S: Final = 0.2
#: Number of consecutive failures of a provider after which the warm-up asks that provider no more.
_MOST_FAILURES: Final = 3
#: Pause of the warm-up in seconds after a provider's first failure. The pause after the nth failure
#: in a row is n times as long.
_FAILURE_PAUSE_S: Final = 5.0
#: Pause of the warm-up in seconds after a sentence that another job is already synthesising.
_ELSEWHERE_PAUSE_S: Final = 1.0
#: Pause of the warm-up in seconds if no provider of the chain can be asked.
_NOBODY_PAUSE_S: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Result of a warm-up of the cache."""

    #: Number of planned sentences that are in the cache after the warm-up.
    sentences: int
    #: Number of planned sentences that were in the cache before the warm-up.
    found: int
    #: Number of requests that the warm-up sent to providers.
    requests: int
    #: Number of characters that the warm-up sent to providers.
    characters: int


async def prepare_lines(lines: Iterable[str], engine: ChainTTS) -> Prepared:
    """Synthesise `lines` in their order, and store them in the cache of `engine`; never raises.

    The sentences are synthesised one at a time, with the first working provider of the chain.
    Requests are sent only while no utterance waits for synthesis, and only for sentences that are
    not cached. The function ends early if the cache cannot store more sentences, if every provider
    has failed too often, or if `MOST_REQUESTS` or `MOST_CHARACTERS` is used up. Cancel the function
    when the job ends.
    """
    filling = _Filling(engine, engine.prepared)
    try:
        await filling.run([sentence for line in lines for sentence in await _spoken(line)])
    except Exception as error:  # an interview continues without the cache
        logger.warning(
            "TTS cache warm-up failed: %s",
            type(error).__name__,
            extra={"event": "tts_cache_warmup_failed"},
        )
    result = filling.result()
    logger.info(
        "TTS cache warm-up ended",
        extra={
            "event": "tts_cache_warmup_ended",
            "sentences": result.sentences,
            "found": result.found,
            "requests": result.requests,
            "characters": result.characters,
        },
    )
    return result


class _Outcome(Enum):
    """Result of the attempt to cache one sentence."""

    THERE = auto()
    #: Another job is synthesising the sentence.
    ELSEWHERE = auto()
    #: The cache cannot store more sentences.
    HOPELESS = auto()


class _Filling:
    def __init__(self, engine: ChainTTS, store: SpeechStore | None) -> None:
        self._engine = engine
        self._store = store
        self._failures: dict[str, int] = {}
        self._pause_s = 0.0
        self._sentences = self._found = self._requests = self._characters = 0

    def result(self) -> Prepared:
        return Prepared(
            sentences=self._sentences,
            found=self._found,
            requests=self._requests,
            characters=self._characters,
        )

    async def run(self, sentences: list[str]) -> None:
        if self._store is None:
            return
        waiting = deque(s for s in dict.fromkeys(sentences) if has_words(s))
        self._engine.expect(waiting)
        await asyncio.sleep(_HEAD_START_S)
        while waiting:
            sentence = waiting.popleft()
            outcome = await self._prepare(sentence, self._store)
            if outcome is _Outcome.HOPELESS:
                return
            if outcome is _Outcome.ELSEWHERE:
                waiting.append(sentence)
                self._pause_s = _ELSEWHERE_PAUSE_S
            await asyncio.sleep(self._pause_s)
            self._pause_s = 0.0

    async def _prepare(self, sentence: str, store: SpeechStore) -> _Outcome:
        """Synthesise one sentence and store it, unless the cache already contains it."""
        while (candidate := await self._candidate()) is not None:
            name, voice = candidate
            if await store.find(name, sentence) is not None:
                self._sentences += 1
                self._found += 1
                return _Outcome.THERE
            if not self._may_ask(sentence):
                return _Outcome.HOPELESS
            if not await store.claim(name, sentence):
                return _Outcome.ELSEWHERE
            try:
                if not self._engine.is_quiet:
                    # Look again later: an utterance has begun, which may cache this sentence.
                    continue
                pcm = await self._ask(name, voice, sentence)
                if pcm is not None:
                    kept = await store.keep(name, sentence, pcm)
                    self._sentences += kept
                    return _Outcome.THERE if kept else _Outcome.HOPELESS
            finally:
                await store.release(name, sentence)
        return _Outcome.HOPELESS

    async def _candidate(self) -> tuple[str, tts.TTS[Any]] | None:
        """Wait until no utterance waits for synthesis, and return the provider to ask.

        Returns None if every provider has failed too often.
        """
        while True:
            await self._engine.quiet()
            somebody = False
            for name, voice in self._engine.chain.candidates():
                somebody = True
                if self._failures.get(name, 0) < _MOST_FAILURES:
                    return name, voice
            if somebody:
                return None
            await asyncio.sleep(_NOBODY_PAUSE_S)

    def _may_ask(self, sentence: str) -> bool:
        characters = self._characters + len(sentence)
        return self._requests < MOST_REQUESTS and characters <= MOST_CHARACTERS

    async def _ask(self, name: str, voice: tts.TTS[Any], sentence: str) -> Pcm | None:
        self._requests += 1
        self._characters += len(sentence)
        now = asyncio.get_running_loop().time
        began = now()
        attempt = SynthesisAttempt(name, voice, sentence, patience_s=LAST_PATIENCE_S)
        try:
            async with aclosing(attempt.audio()) as audio:
                pcm = np.concatenate([part async for part in audio])
        except Exception as error:  # a plugin may raise anything
            self._engine.let_go(voice, error)
            await self._failed(name, voice, error)
            return None
        self._failures[name] = 0
        self._engine.chain.delivered(name)
        self._pause_s = max(_LEAST_PAUSE_S, now() - began)
        return pcm

    async def _failed(self, name: str, voice: tts.TTS[Any], error: Exception) -> None:
        """Count a failure of a provider, and pause before the next request.

        A permanent failure is reported to the chain, so that no utterance has to wait for the
        failed provider later. A temporary failure is not reported, because the warm-up's own
        requests may have caused it, and the interviewer's voice must not change because of the
        warm-up.
        """
        failure = failure_of(error)
        failures = self._failures.get(name, 0) + 1
        self._failures[name] = _MOST_FAILURES if failure.for_good else failures
        logger.info(
            "TTS cache warm-up request to %s failed: %s",
            name,
            failure.reason,
            extra={"event": "tts_cache_warmup_request_failed"},
        )
        if failure.for_good:
            if self._engine.chain.failed(name, error, engine=voice):
                # Try again, because the provider is now asked without the opt-out.
                self._failures[name] = failures - 1
        elif failures < _MOST_FAILURES:
            await asyncio.sleep(max(_FAILURE_PAUSE_S * failures, failure.retry_after_s or 0.0))


async def _spoken(line: str) -> list[str]:
    """Return the sentences of a line as the TTS receives them.

    AgentSession removes markdown and emoji from a text before the TTS receives the text, so this
    function removes them as well.
    """

    async def text() -> AsyncIterator[str]:
        yield line

    plain = "".join([part async for part in filter_emoji(filter_markdown(text()))])
    return sentences_of(plain)
