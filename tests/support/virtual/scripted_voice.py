"""Scripted TTS providers, and a TTS cache in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from livekit.agents import tts, utils
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    USERDATA_TIMED_TRANSCRIPT,
    APIConnectOptions,
)
from livekit.agents.voice.io import TimedString

from tests.support.virtual.provider_fakes import chain_of
from worker.audio.frames import frame_of, samples_of
from worker.fallback.chain import ProviderChain
from worker.speech.tts.fallback import SAMPLE_RATE, ChainTTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.audio.dsp import Pcm


@dataclass(frozen=True)
class Wait:
    """A pause of `seconds` without audio."""

    seconds: float


@dataclass(frozen=True)
class Sound:
    """`seconds` of audio in one frame; level 0 is silence.

    `words` is the frame's timed transcript: each word with the second at which it ends.
    """

    seconds: float
    level: int = 1000
    words: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Break:
    """An error that the stream raises."""

    error: BaseException = field(default_factory=lambda: RuntimeError("Ada said: hello"))


HANG = Wait(10_000.0)
Step = Wait | Sound | Break


class ScriptedTTS(tts.TTS[Never]):
    """TTS that follows one script per text and records the texts; the last script repeats.

    Each `Sound` step is exactly one frame.
    """

    def __init__(
        self, *scripts: Sequence[Step], rate: int = SAMPLE_RATE, channels: int = 1
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=rate,
            num_channels=channels,
        )
        self._scripts = list(scripts)
        self.said: list[str] = []
        self.running = 0

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> Any:
        self.said.append(text)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        return _Performance(self, script)


class _Performance:
    """The parts of a ChunkedStream that are used; its frames are exactly those of the script."""

    def __init__(self, owner: ScriptedTTS, script: Sequence[Step]) -> None:
        self._owner, self._steps = owner, iter(script)
        owner.running += 1

    def __aiter__(self) -> _Performance:
        return self

    async def __anext__(self) -> tts.SynthesizedAudio:
        for step in self._steps:
            if isinstance(step, Break):
                raise step.error
            if isinstance(step, Sound):
                return self._event(step)
            await asyncio.sleep(step.seconds)
        raise StopAsyncIteration

    def _event(self, step: Sound) -> tts.SynthesizedAudio:
        rate, channels = self._owner.sample_rate, self._owner.num_channels
        pcm = np.full(round(step.seconds * rate) * channels, step.level, np.int16)
        frame = frame_of(pcm, rate)
        if channels > 1:
            frame = type(frame)(pcm.tobytes(), rate, channels, len(pcm) // channels)
        frame.userdata[USERDATA_TIMED_TRANSCRIPT] = [
            TimedString(text=text, end_time=end_s) for text, end_s in step.words
        ]
        return tts.SynthesizedAudio(frame=frame, request_id=utils.shortuuid())

    async def aclose(self) -> None:
        self._owner.running -= 1


#: A sentence, and the levels of two voices.
SENTENCE = "What was the hardest part of the project you have just told me about?"
A, B = 1000, 2000
SECOND = [Sound(4.0, B)]


def chain(*first: Step, then: Sequence[Step] = SECOND) -> ProviderChain[Any]:
    """Return a chain of two voices: the first follows `first`, the second follows `then`."""
    return chain_of("tts", first=ScriptedTTS(first), second=ScriptedTTS(then))


def engine_of(made: ProviderChain[Any], name: str) -> ScriptedTTS:
    """Return one voice of a chain."""
    engine: ScriptedTTS = dict(made.candidates())[name]
    return engine


def failure_in(made: ProviderChain[Any]) -> str:
    """Return the message of a chain's condition, which names the failed providers."""
    return made.condition().message


class MemoryStore:
    """TTS cache in memory; it refuses new entries while `full` is set."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Pcm] = {}
        self.full = False
        self.claimed: set[tuple[str, str]] = set()

    async def find(self, provider: str, sentence: str) -> Pcm | None:
        return self.kept.get((provider, sentence))

    async def keep(self, provider: str, sentence: str, pcm: Pcm) -> bool:
        if not self.full:
            self.kept[provider, sentence] = pcm
        return not self.full

    async def claim(self, provider: str, sentence: str) -> bool:
        free = (provider, sentence) not in self.claimed
        self.claimed.add((provider, sentence))
        return free

    async def release(self, provider: str, sentence: str) -> None:
        self.claimed.discard((provider, sentence))


def level_of(pcm: Pcm) -> int:
    """Return the level of a sound with only one level."""
    return int(np.median(pcm))


@dataclass
class Heard:
    """The audio of a text: arrival time, duration and level of each stretch."""

    #: For each stretch: arrival in seconds after the text was pushed, duration in seconds, level.
    stretches: list[tuple[float, float, int]] = field(default_factory=list)

    @property
    def levels(self) -> list[int]:
        """The levels of the voices heard, in order; each voice has its own level."""
        levels: list[int] = []
        for _, _, level in self.stretches:
            if level and (not levels or levels[-1] != level):
                levels.append(level)
        return levels

    def seconds(self, level: int | None = None) -> float:
        """Return the seconds of audio of one level, or of all levels."""
        return sum(s for _, s, found in self.stretches if level in (None, found))

    def began(self, level: int) -> float:
        """Return when the first audio of a level arrived."""
        return next(at for at, _, found in self.stretches if found == level)


async def hear(engine: ChainTTS, text: str, heard: Heard | None = None) -> Heard:
    """Synthesise a text. After an error, `heard` holds the audio that arrived before it."""
    heard = Heard() if heard is None else heard
    now = asyncio.get_running_loop().time
    began = now()
    async with engine.stream() as stream:
        stream.push_text(text)
        stream.end_input()
        async for event in stream:
            samples = samples_of(event.frame)
            edges = np.flatnonzero(np.diff(samples)) + 1
            for part in np.split(samples, edges):
                if part.size:
                    stretch = (now() - began, len(part) / SAMPLE_RATE, int(part[0]))
                    heard.stretches.append(stretch)
    return heard
