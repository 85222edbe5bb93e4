"""Filling the cache of prepared speech, in the background, while nobody waits for a voice."""

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

from worker.providers.failure import failure_of
from worker.speech.chain_tts_stream import sentences_of
from worker.speech.heard_words import has_words
from worker.speech.judged_speech import LAST_PATIENCE_S, Attempt

if TYPE_CHECKING:
    from livekit.agents import tts

    from worker.speech.audio import Pcm
    from worker.speech.chain_tts import ChainTTS
    from worker.speech.prepared import SpeechStore

logger = logging.getLogger(__name__)

#: What one job may ask providers for, at the most: half an hour of speech.
MOST_REQUESTS: Final = 500
MOST_CHARACTERS: Final = 30_000
#: Seconds before the first request: an interview that begins speaks its greeting now, and whoever
#: speaks it keeps it.
_HEAD_START_S: Final = 1.0
#: Seconds between two requests, at the least; otherwise as long as the last one took, so that a
#: voice in our own process has half of one processor at the most.
_LEAST_PAUSE_S: Final = 0.2
#: A provider is left after so many failures in a row, with a pause (seconds) after each that
#: grows by itself.
_MOST_FAILURES: Final = 3
_FAILURE_PAUSE_S: Final = 5.0
#: Seconds until another sentence is tried after one that another job is at.
_ELSEWHERE_PAUSE_S: Final = 1.0
#: Seconds after which the chain is asked again that had nobody to ask.
_NOBODY_PAUSE_S: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What came of filling the cache."""

    #: Sentences that are in the cache now, and how many of them already were.
    sentences: int
    found: int
    #: What was asked of providers.
    requests: int
    characters: int


async def prepare_lines(lines: Iterable[str], engine: ChainTTS) -> Prepared:
    """Have `lines` spoken into the cache of `engine`, in their order; never raises.

    One sentence at a time, by the first of the chain that can, only while no other speech is
    asked for, and only what is not there. Ends early where the cache takes nothing more, nobody
    speaks, or `MOST_REQUESTS` or `MOST_CHARACTERS` are used up. To be cancelled when the job
    ends.
    """
    filling = _Filling(engine, engine.prepared)
    try:
        await filling.run([sentence for line in lines for sentence in await _spoken(line)])
    except Exception as error:  # an interview goes on without it
        logger.warning("preparing speech broke off: %s", type(error).__name__)
    result = filling.result()
    logger.info("speech is prepared", extra=vars(result))
    return result


class _Outcome(Enum):
    """What came of one sentence."""

    THERE = auto()
    #: Another job is at it.
    ELSEWHERE = auto()
    #: There is no use in going on.
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
        """Have one sentence in the cache."""
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
                    continue  # what is being spoken now is kept by whoever speaks it
                pcm = await self._ask(name, voice, sentence)
                if pcm is not None:
                    kept = await store.keep(name, sentence, pcm)
                    self._sentences += kept
                    return _Outcome.THERE if kept else _Outcome.HOPELESS
            finally:
                await store.release(name, sentence)
        return _Outcome.HOPELESS

    async def _candidate(self) -> tuple[str, tts.TTS[Any]] | None:
        """Who would speak now, once nobody waits for it; None where all fail at this."""
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
        attempt = Attempt(name, voice, sentence, patience_s=LAST_PATIENCE_S)
        try:
            async with aclosing(attempt.audio()) as audio:
                pcm = np.concatenate([part async for part in audio])
        except Exception as error:  # a plugin raises what it likes
            self._engine.let_go(voice, error)
            await self._failed(name, error)
            return None
        self._failures[name] = 0
        self._pause_s = max(_LEAST_PAUSE_S, now() - began)
        return pcm

    async def _failed(self, name: str, error: Exception) -> None:
        """What will not pass the chain should know before a candidate waits for it. Anything
        else may be haste of ours, for which nobody's voice should change."""
        failure = failure_of(error)
        failures = self._failures.get(name, 0) + 1
        self._failures[name] = _MOST_FAILURES if failure.for_good else failures
        logger.info("speech was not prepared by %s: %s", name, failure.reason)
        if failure.for_good:
            self._engine.chain.failed(name, error)
        elif failures < _MOST_FAILURES:
            await asyncio.sleep(max(_FAILURE_PAUSE_S * failures, failure.retry_after_s or 0.0))


async def _spoken(line: str) -> list[str]:
    """The sentences of a line as they come to the voice: AgentSession takes out what is markup
    and emoji before."""

    async def text() -> AsyncIterator[str]:
        yield line

    plain = "".join([part async for part in filter_emoji(filter_markdown(text()))])
    return sentences_of(plain)
