"""Synthesis of one sentence by one provider, with checks of the audio that arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from livekit.agents import tts
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT, APIConnectOptions
from livekit.agents.utils import is_given

from worker import faults
from worker.aio.timeouts import run_with_timeout
from worker.audio import dsp
from worker.audio.frames import samples_of
from worker.speech.tts.cache_files import SAMPLE_RATE
from worker.speech.tts.word_timing import (
    TYPICAL_PACE,
    Word,
    rest_after,
    rest_by_pace,
    spoken_length,
)

if TYPE_CHECKING:
    from livekit import rtc

    from worker.audio.dsp import Pcm

#: Default timeout in seconds for the first audio of a sentence. ElevenLabs takes 0.3 to 0.5 s.
PATIENCE_S: Final = 1.0
#: If no other provider is left: timeout in seconds for each wait for audio, the first one included.
#: The timeout is long, because a provider on a busy machine is slow but has not failed.
LAST_PATIENCE_S: Final = 5.0
#: Once a sentence has begun, the timeout for the next audio is this many seconds plus the duration
#: of the received audio that is not played yet, which counts as at least `_LEAST_AHEAD_S`. With
#: these values, a provider that stalls in the middle of a sentence causes a gap of 0.4 s
#: (measured).
_SLACK_S: Final = 0.3
#: Minimum seconds that the timeout for the next audio allows for audio that is not played yet.
_LEAST_AHEAD_S: Final = 0.25
#: Seconds of silence at the beginning of a sentence after which an attempt raises SilentAudio.
_LONGEST_LEAD_S: Final = 1.0
#: Seconds of silence in the middle of a sentence after which an attempt raises SilentAudio.
_LONGEST_PAUSE_S: Final = 2.0
#: Level (0 to 1) below which audio counts as silence; the value is -60 dB full scale. Audio counts
#: as silent if even its loudest 20 ms are below this level.
_FLOOR: Final = 0.001
#: Seconds of silence that are kept before the first sound of a sentence.
_LEAD_S: Final = 0.05
#: Maximum seconds of audio of a sentence, plus `_LONGEST_S_PER_CHARACTER` for each character.
_LONGEST_S: Final = 3.0
#: Seconds of audio that each character adds to the maximum. Normal speech takes 0.07 s.
_LONGEST_S_PER_CHARACTER: Final = 0.25
#: Minimum seconds of audio of a sentence. Shorter audio is incomplete, or is no audio at all (a web
#: page).
_SHORTEST_S: Final = 0.1
#: Minimum seconds of audio for each letter and digit of a sentence, if `_SHORTEST_S` is less.
_SHORTEST_S_PER_CHARACTER: Final = 1 / 60
#: Timeout in seconds for a plugin to close a stream; a close that hangs is abandoned.
_CLOSE_BUDGET_S: Final = 1.0

#: Connect options of every plugin. The timeout limits connecting and the plugin's own waits. There
#: are no retries, because the next provider is asked at once.
CONNECT: Final = APIConnectOptions(max_retry=0, timeout=LAST_PATIENCE_S)


class NoAudio(Exception):
    """Raised when a provider sends no audio for a text that has words."""


class TooLittleAudio(Exception):
    """Raised when a provider's audio is too short to contain the whole text."""


class SilentAudio(Exception):
    """Raised when a provider's audio is silent from the start, or becomes silent."""


class EndlessAudio(Exception):
    """Raised when a provider's audio is longer than speaking the text can take."""


class WrongAudioFormat(Exception):
    """Raised when the audio's sample rate or channel count is not the requested one."""


class SynthesisAttempt:
    """Synthesis of one sentence by one provider, which the fallback chain knows as `name`.

    `others` is called when the provider has exceeded its timeout. If `others` returns False, no
    other provider is left to speak the sentence, and this provider gets `LAST_PATIENCE_S` seconds.
    `pace` is the speed of the voice in characters per second, which serves to estimate how much was
    spoken if the provider reports no word timestamps.
    """

    def __init__(
        self,
        name: str,
        engine: tts.TTS[Any],
        sentence: str,
        *,
        patience_s: float = PATIENCE_S,
        others: Callable[[], bool] = lambda: False,
        pace: float = TYPICAL_PACE,
    ) -> None:
        self._name = name
        self._engine = engine
        self._sentence = sentence
        self._patience_s = patience_s
        self._others = others
        self._pace = pace
        self._words: list[Word] = []
        self._endless = False
        #: Seconds of silence at the end of the received audio.
        self._pause_s = 0.0
        #: Seconds of audio received.
        self.delivered_s = 0.0
        #: True once `audio` has yielded audio.
        self.audible = False

    async def audio(self) -> AsyncGenerator[Pcm, None]:
        """Yield the sentence's audio, without the silence at its beginning.

        Raises the plugin's errors, TimeoutError if audio arrives too late, and the exceptions of
        this module if the audio is faulty.
        """
        longest_s = _LONGEST_S + _LONGEST_S_PER_CHARACTER * spoken_length(self._sentence)
        waiting: list[Pcm] = []
        async with aclosing(self._frames()) as frames:
            async for frame in frames:
                self._take(frame)
                if self.delivered_s > longest_s:
                    self._endless = True
                    raise EndlessAudio
                waiting.append(samples_of(frame))
                if not self.audible:
                    begun = _from_first_sound(np.concatenate(waiting))
                    if begun is None:
                        if self.delivered_s >= _LONGEST_LEAD_S:
                            raise SilentAudio
                        continue
                    self.audible, waiting = True, [begun]
                elif self._pause_s > _LONGEST_PAUSE_S:
                    raise SilentAudio
                yield waiting.pop()
        if not self.audible:
            raise SilentAudio if self.delivered_s else NoAudio
        if self.delivered_s < _shortest_s(self._sentence):
            raise TooLittleAudio

    def rest(self) -> str:
        """Return the part of the sentence that is still to be spoken; "" if all of it was spoken.

        The returned part begins with the word at which the audio ended.
        """
        if not self.audible:
            return self._sentence
        if self._endless:
            return ""
        said_s = self.delivered_s - self._pause_s
        if self._words:
            heard = [word.text for word in self._words if word.end_s <= said_s]
            rest = rest_after(self._sentence, heard)
            # Ignore a report of more words than fit into the received audio.
            if _shortest_s(self._sentence.removesuffix(rest)) <= said_s:
                return rest
        return rest_by_pace(self._sentence, said_s, self._pace)

    @property
    def measured_pace(self) -> float:
        """Speed of the voice in characters per second, valid once the whole sentence was spoken."""
        return (
            spoken_length(self._sentence) / self.delivered_s if self.delivered_s else TYPICAL_PACE
        )

    def _take(self, frame: rtc.AudioFrame) -> None:
        if frame.sample_rate != SAMPLE_RATE or frame.num_channels != 1:
            raise WrongAudioFormat
        self.delivered_s += frame.duration
        silent = _from_first_sound(samples_of(frame)) is None
        self._pause_s = self._pause_s + frame.duration if silent else 0.0
        for word in frame.userdata.get(USERDATA_TIMED_TRANSCRIPT) or ():
            end_s = word.end_time
            if is_given(end_s) and end_s is not None:
                self._words.append(Word(text=str(word), end_s=end_s))

    async def _frames(self) -> AsyncGenerator[rtc.AudioFrame, None]:
        now = asyncio.get_running_loop().time
        first_at: float | None = None
        async with _opened(self._engine, self._sentence) as stream:
            events = faults.through("tts", stream, self._name)
            while True:
                allowed_s = self._patience_s
                if first_at is not None:
                    ahead_s = self.delivered_s - (now() - first_at)
                    allowed_s = max(ahead_s, _LEAST_AHEAD_S) + _SLACK_S
                try:
                    event = await self._patiently(events, allowed_s)
                except StopAsyncIteration:
                    return
                first_at = now() if first_at is None else first_at
                yield event.frame

    async def _patiently(
        self, events: AsyncIterator[tts.SynthesizedAudio], allowed_s: float
    ) -> tts.SynthesizedAudio:
        """Return the provider's next event.

        Raises StopAsyncIteration if the stream has ended, TimeoutError if no event arrives in time,
        and the plugin's errors.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as limit:

            def be_late() -> None:
                more_s = 0.0 if self._others() else max(0.0, LAST_PATIENCE_S - allowed_s)
                limit.reschedule(loop.time() + more_s)

            lateness = loop.call_later(allowed_s, be_late)
            try:
                return await anext(events)
            finally:
                lateness.cancel()


@asynccontextmanager
async def _opened(
    engine: tts.TTS[Any], sentence: str
) -> AsyncIterator[tts.SynthesizeStream | tts.ChunkedStream]:
    stream: tts.SynthesizeStream | tts.ChunkedStream
    if engine.capabilities.streaming:
        stream = engine.stream(conn_options=CONNECT)
        stream.push_text(sentence)
        stream.end_input()
    else:
        stream = engine.synthesize(sentence, conn_options=CONNECT)
    try:
        yield stream
    finally:
        # An error on closing is ignored, because the sentence was already spoken or given to
        # another provider.
        with suppress(Exception):
            await run_with_timeout(stream.aclose(), _CLOSE_BUDGET_S)


def _shortest_s(sentence: str) -> float:
    letters = sum(character.isalnum() for character in sentence)
    return max(_SHORTEST_S, _SHORTEST_S_PER_CHARACTER * letters)


def _from_first_sound(samples: Pcm) -> Pcm | None:
    """Return `samples` from just before the first sound; None if `samples` has no sound."""
    window = min(SAMPLE_RATE // 50, max(1, len(samples)))
    loud = np.flatnonzero(dsp.window_levels(dsp.to_float(samples), window) > _FLOOR)
    if not loud.size:
        return None
    return samples[max(0, int(loud[0]) * window - round(_LEAD_S * SAMPLE_RATE)) :]
