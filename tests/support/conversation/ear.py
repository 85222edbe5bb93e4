"""What the candidate hears: the interviewer's words with their times, from the played audio."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.support.conversation.speech_fakes import VOICE_BASE
from tests.support.conversation.words import plain
from tests.support.virtual.job_parts import HeardLine
from worker.audio.frames import samples_of
from worker.audio.sinks import QueueSink

if TYPE_CHECKING:
    from livekit import rtc

    from tests.support.conversation.words import Lexicon, SpokenWord
    from worker.audio.clip import Clip

#: Share of a word that must be audible for the word to be understood.
_UNDERSTOOD: Final = 0.7
#: Seconds of quiet between two lines of the interviewer.
_LINE_GAP_S: Final = 0.3
RATE: Final = 24_000
#: Seconds by which sums of frames may be off.
_ROUNDING_S: Final = 1e-3


@dataclass(frozen=True, kw_only=True)
class HeardWord:
    """A word of the interviewer, as far as it was audible. Times are those of the event loop."""

    word: SpokenWord
    start: float
    end: float
    #: Audible seconds, without a break in the middle of the word.
    sounded_s: float

    @property
    def text(self) -> str:
        return self.word.text

    @property
    def share(self) -> float:
        """Share of the word that was audible, from 0 to 1."""
        return self.sounded_s / self.word.seconds

    @property
    def understood(self) -> bool:
        """True if enough of the word was audible."""
        return self.share >= _UNDERSTOOD


@dataclass(frozen=True)
class Occurrence:
    """A text that was heard word by word, with nothing between its words."""

    words: tuple[HeardWord, ...]

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end

    @property
    def longest_gap_s(self) -> float:
        """The longest silence inside the text, in seconds."""
        between = (after.start - before.end for before, after in pairwise(self.words))
        inside = (word.end - word.start - word.sounded_s for word in self.words)
        return max(*between, *inside, 0.0)


class Ear:
    """The candidate's ear."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        #: All words, also those of which only a part was audible, in order.
        self.words: list[HeardWord] = []
        self._edges: list[float] = []
        self._numbers: list[int] = []

    async def deliver(self, frame: rtc.AudioFrame) -> None:
        """Hear a frame when it becomes audible."""
        samples = samples_of(frame)
        at = asyncio.get_running_loop().time()
        edges = [0, *(np.flatnonzero(np.diff(samples)) + 1).tolist(), len(samples)]
        for begin, end in pairwise(edges):
            value = int(samples[begin])
            number = value - VOICE_BASE if value > VOICE_BASE else 0
            self._hear(number, at + begin / RATE, at + end / RATE)

    def _hear(self, number: int, start: float, end: float) -> None:
        self._edges.append(start)
        self._numbers.append(number)
        self._edges.append(end)
        self._numbers.append(0)
        if not number:
            return
        word = self._lexicon[number]
        last = self.words[-1] if self.words else None
        if last is not None and last.word is word:
            sounded_s = last.sounded_s + end - start
            self.words[-1] = replace(last, end=end, sounded_s=sounded_s)
        else:
            self.words.append(HeardWord(word=word, start=start, end=end, sounded_s=end - start))

    def number_at(self, at: float) -> int:
        """Return the number of the word that was audible at a time; 0 if none was."""
        index = bisect_right(self._edges, at + _ROUNDING_S) - 1
        return self._numbers[index] if index >= 0 else 0

    @property
    def last_sound(self) -> float:
        """Time at which the interviewer was last audible; 0 if never."""
        return self.words[-1].end if self.words else 0.0

    def since(self, at: float) -> list[HeardWord]:
        """Return the words that began at a time or later."""
        first = bisect_left(self.words, at - _ROUNDING_S, key=lambda word: word.start)
        return self.words[first:]

    def lines(self) -> list[list[HeardWord]]:
        """Return the words in groups with at least `_LINE_GAP_S` of quiet between them."""
        lines: list[list[HeardWord]] = []
        for word in self.words:
            if lines and word.start - lines[-1][-1].end <= _LINE_GAP_S:
                lines[-1].append(word)
            else:
                lines.append([word])
        return lines

    def text(self, since: float = 0.0) -> str:
        """Return the understood words since a time."""
        return " ".join(word.text for word in self.since(since) if word.understood)

    def occurrences(self, text: str, since: float = 0.0) -> list[Occurrence]:
        """Return each time that a text was heard word by word since a time."""
        wanted = plain(text)
        words = [(part, word) for word in self.since(since) for part in word.word.plain]
        found = []
        for at in range(len(words) - len(wanted) + 1):
            part = words[at : at + len(wanted)]
            if [said for said, _ in part] == wanted and all(word.understood for _, word in part):
                found.append(Occurrence(tuple(word for _, word in part)))
        return found


class EarLine(HeardLine):
    """Audio output whose clips are spoken by the numbered voice, so that the ear knows the words.

    The recorded clips themselves are not played: their words cannot be told from their samples.
    """

    def __init__(self, ear: Ear, lexicon: Lexicon) -> None:
        super().__init__(QueueSink(ear.deliver))
        self._lexicon = lexicon

    async def play(self, clip: Clip) -> float:
        return await super().play(self._numbered(clip))

    async def interject(self, clip: Clip) -> float:
        return await super().interject(self._numbered(clip))

    def _numbered(self, clip: Clip) -> Clip:
        parts = [
            np.full(round(word.seconds * RATE), VOICE_BASE + word.number, np.int16)
            for word in self._lexicon.speak(clip.text)
        ]
        return replace(clip, pcm=np.concatenate(parts), sample_rate=RATE)
