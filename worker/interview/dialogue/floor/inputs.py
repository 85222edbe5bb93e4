"""The inputs of the floor. Every input carries its time; the floor reads no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from worker.interview.dialogue.acts import Act
from worker.speech.tts.word_timing import TYPICAL_PACE


@dataclass(frozen=True, kw_only=True)
class Tick:
    """Time has passed. `Floor.due` tells when the next tick is needed."""

    #: Seconds on any clock that never goes back. All inputs use the same clock.
    at: float


@dataclass(frozen=True, kw_only=True)
class LineBegins(Tick):
    """The first sound of a line of the interviewer is played."""

    text: str = field(repr=False)
    #: True for a line that only the acts in `HOTWORD_ACTS` interrupt: disclosure and goodbye.
    hotword: bool = False
    #: False if the dialogue could not withdraw the line, for example before the first question.
    withdrawable: bool = True
    #: Characters per second of the voice. It is used if `word_ends_s` is empty.
    pace: float = TYPICAL_PACE
    #: Seconds from the start of the line to the end of each word, if the voice reports them.
    word_ends_s: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Position(Tick):
    """The audio output reports how much of the line was played."""

    played_s: float


@dataclass(frozen=True, kw_only=True)
class LineEnds(Tick):
    """The line is over.

    Not needed after STOP, WITHDRAW or SAY_AGAIN. If it is given then, it must come before the next
    `LineBegins`.
    """

    #: False if something other than the floor has cut the line off.
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class SoundBegins(Tick):
    """The candidate has begun to make a sound.

    The caller reports a sound once the VAD has found it to be speech, usually after 0.1 s.
    """

    #: Voiced seconds of the sound so far.
    voiced_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SoundGoesOn(Tick):
    """The candidate's sound goes on."""

    voiced_s: float


@dataclass(frozen=True, kw_only=True)
class SoundEnds(Tick):
    """The candidate's sound is over, best reported after 0.2 s without voice."""

    voiced_s: float


@dataclass(frozen=True, kw_only=True)
class Words(Tick):
    """Speech-to-text has transcribed a piece of the candidate's speech."""

    text: str = field(repr=False)
    #: False for interim words, which may still change.
    final: bool = True
    #: The act of the words, as the classifier reads them; None if it was not asked.
    act: Act | None = None


Input: TypeAlias = (
    Tick | LineBegins | Position | LineEnds | SoundBegins | SoundGoesOn | SoundEnds | Words
)
