"""The candidate's microphone: a mixer of voices, noises and the echo of the interviewer."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.support.conversation.acoustics import (
    FRAME_SAMPLES,
    ROOM_DBFS,
    VOICE_DBFS,
    Samples,
    Timbre,
    frame_of_sound,
    returned_frame,
    telephone,
    to_int16,
)
from tests.support.conversation.speech_fakes import WORD_FRAMES, numbered
from worker.transport.in_memory import FRAME_S, CandidateMicrophone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from livekit import rtc

    from tests.support.conversation.words import SpokenWord


@dataclass(frozen=True, kw_only=True)
class Echo:
    """The interviewer's voice in the microphone: delayed, and without high frequencies.

    The level is in decibels relative to the candidate's voice.
    """

    db: float
    delay_s: float = 0.25


@dataclass(frozen=True, kw_only=True)
class Acoustics:
    """What a microphone gets besides the candidate's voice, and what the line does to it."""

    echo: Echo | None = None
    #: Level of steady noise in dBFS.
    noise_dbfs: float = ROOM_DBFS
    #: True for a telephone: 8 kHz and 8-bit mu-law.
    telephone: bool = False


@dataclass(frozen=True)
class Part:
    """A frame of one source: its samples, its level, and the number of its word; 0 is no word."""

    sound: Samples
    dbfs: float
    number: int = 0


def spoken_parts(
    words: Iterable[SpokenWord], timbre: Timbre = Timbre.CANDIDATE, dbfs: float = VOICE_DBFS
) -> Iterator[Part | None]:
    """Yield the frames of words; None is a frame without sound, after each word."""
    for word in words:
        for _ in range(max(WORD_FRAMES, round(word.seconds / FRAME_S) - 1)):
            yield Part(frame_of_sound(timbre, dbfs), dbfs, word.number)
        yield None


def noise_parts(timbre: Timbre, seconds: float, dbfs: float) -> Iterator[Part | None]:
    """Yield the frames of a noise. A key of a keyboard is struck every fifth of a second."""
    every = 4 if timbre is Timbre.KEY else 1
    for n in range(round(seconds / FRAME_S)):
        yield Part(frame_of_sound(timbre, dbfs), dbfs) if n % every == 0 else None


class Mixer(CandidateMicrophone):
    """Microphone that adds up its sources, each with its own level.

    The recogniser understands the loudest voice of a frame; a real one would misunderstand two
    voices of nearly the same level.

    Args:
        acoustics: The room and the line.
        echoed: Returns the number of the interviewer's word that was audible at a time; 0 is none.
    """

    def __init__(self, acoustics: Acoustics, echoed: Callable[[float], int]) -> None:
        super().__init__()
        self._acoustics = acoustics
        self._echoed = echoed
        self._own: deque[Part | None] = deque()
        self._beds: list[deque[Part | None]] = []
        self._published = asyncio.Event()
        self._published.set()
        #: True while the microphone is muted. It then sends digital silence.
        self.muted = False
        #: Time at which the candidate's voice was last audible.
        self.spoke_until = 0.0

    def speak(self, words: Iterable[SpokenWord]) -> None:
        """Let the candidate speak these words, after those that the candidate still speaks."""
        self._own.extend(spoken_parts(words))
        self.idle.clear()

    def sound(self, parts: Iterable[Part | None]) -> None:
        """Add a source beside the candidate's voice: a noise, or another voice."""
        self._beds.append(deque(parts))

    def pause(self, seconds: float) -> None:
        """Let the candidate pause within what is queued."""
        self._own.extend([None] * round(seconds / FRAME_S))

    def unpublish(self) -> None:
        """Send no frames until `publish`. What is spoken meanwhile is lost."""
        self._published.clear()
        self._own.clear()
        self.idle.set()

    def publish(self) -> None:
        """Send frames again."""
        self._published.set()

    async def __anext__(self) -> rtc.AudioFrame:
        await self._published.wait()
        loop = asyncio.get_running_loop()
        # A session that was slow gets at most one late frame.
        self._due = max(self._due, loop.time() - FRAME_S) + FRAME_S
        await asyncio.sleep(self._due - loop.time())
        return self._mixed(loop.time())

    def _mixed(self, now: float) -> rtc.AudioFrame:
        own = self._own.popleft() if self._own else None
        if own is not None:
            self.spoke_until = now
        if not self._own:
            self.idle.set()
        beds = [bed.popleft() for bed in self._beds if bed]
        if self.muted:
            return numbered(np.zeros(FRAME_SAMPLES, np.int16), 0)
        parts = [part for part in (own, *beds, self._echo(now)) if part is not None]
        noise = frame_of_sound(Timbre.ROOM, self._acoustics.noise_dbfs)
        sound = np.sum([noise, *(part.sound for part in parts)], axis=0)
        if self._acoustics.telephone:
            sound = telephone(sound)
        voices = [part for part in parts if part.number]
        loudest = max(voices, key=lambda part: part.dbfs, default=None)
        return numbered(to_int16(sound), loudest.number if loudest else 0)

    def _echo(self, now: float) -> Part | None:
        echo = self._acoustics.echo
        if echo is None or not (number := self._echoed(now - echo.delay_s)):
            return None
        dbfs = VOICE_DBFS + echo.db
        return Part(returned_frame(dbfs), dbfs, number)
