"""Numbers of spoken words, by which the fakes of speech recognise a word in its sound.

Every spoken word gets a number of its own, also a word that is said again. A frame of a microphone
has the number in its first sample. The interviewer's audio has it as the value of every sample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from worker.speech.tts.word_timing import TYPICAL_PACE, spoken_length

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Numbers from which a frame would become loud by its first sample.
_MOST_WORDS: Final = 8_000


def plain(text: str) -> list[str]:
    """Return the words in lower case, without punctuation."""
    return re.findall(r"[\w'@.-]*\w", text.lower())


def position_of(part: str, words: Sequence[str], start: int = 0) -> int | None:
    """Return where the words of `part` stand in a row in `words`; None if they do not."""
    wanted = plain(part)
    ends = range(start, len(words) - len(wanted) + 1)
    return next((at for at in ends if list(words[at : at + len(wanted)]) == wanted), None)


def is_in(part: str, text: str) -> bool:
    """Return whether the words of `part` stand in a row in `text`."""
    return position_of(part, plain(text)) is not None


def shared_run(one: str, other: str) -> int:
    """Return the number of words of the longest row of words that two texts share."""
    first, second = plain(one), plain(other)
    longest = 0
    before: list[int] = [0] * (len(second) + 1)
    for word in first:
        row = [0]
        for (left, _), found in zip(pairwise([*before, 0]), second, strict=False):
            row.append(left + 1 if word == found else 0)
        longest = max(longest, *row)
        before = row
    return longest


@dataclass(kw_only=True)
class SpokenWord:
    """One word that somebody speaks."""

    number: int
    text: str
    #: Time that the word takes, with the pause to the next one.
    seconds: float

    @cached_property
    def plain(self) -> list[str]:
        """The word in lower case, without punctuation; several words if it has a dash in it."""
        return plain(self.text)


class Lexicon:
    """All words that are spoken in one conversation, by number."""

    def __init__(self) -> None:
        self._words: list[SpokenWord] = []

    def speak(self, text: str, *, heard_as: str | None = None) -> list[SpokenWord]:
        """Return the words of a text with new numbers.

        Args:
            text: The words as they are spoken; they decide how long each takes.
            heard_as: The words that the recogniser understands, if they differ.
        """
        spoken = text.split()
        understood = (heard_as or text).split()
        if len(spoken) != len(understood):
            raise ValueError(f"{text!r} and {heard_as!r} differ in their number of words")
        made = [
            SpokenWord(
                number=len(self._words) + n,
                text=word,
                seconds=(spoken_length(said) + 1) / TYPICAL_PACE,
            )
            for n, (said, word) in enumerate(zip(spoken, understood, strict=True), 1)
        ]
        self._words += made
        if len(self._words) > _MOST_WORDS:
            raise ValueError("the conversation has too many words")
        return made

    def __getitem__(self, number: int) -> SpokenWord:
        return self._words[number - 1]
