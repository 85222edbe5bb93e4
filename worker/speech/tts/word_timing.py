"""Estimate how much of a sentence was spoken when the voice fails or is cut off.

The functions have no side effects. A word that may not have been heard counts as not heard, because
it is better to say a word twice than not at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

#: Characters per second of a typical voice, that is, 150 to 160 words per minute.
TYPICAL_PACE: Final = 15.0

#: Number of characters that `spoken_length` adds for each digit, because 1990 is spoken as
#: "nineteen ninety".
_PER_DIGIT: Final = 7

_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True)
class Word:
    """A spoken word, as the provider reports it. "1990" may be reported as "nineteen ninety"."""

    text: str
    #: Position in the sentence's audio at which the word ends, in seconds.
    end_s: float


def has_words(text: str) -> bool:
    """Return True if the text contains a letter or a digit, that is, something to speak."""
    return any(character.isalnum() for character in text)


def spoken_length(text: str) -> int:
    """Return the length of a text in characters, with the digits counted as spoken words."""
    return len(text) + _PER_DIGIT * sum(character.isdigit() for character in text)


def rest_after(sentence: str, heard: Sequence[str]) -> str:
    """Return the part of the sentence after the words that were heard.

    The provider may report a number as words ("nineteen ninety"). Reported words that are not in
    the sentence count as not heard.
    """
    said = [_plain(word) for word in "".join(_apart(heard)).split()]
    words = list(_WORD.finditer(sentence))
    matcher = SequenceMatcher(None, [_plain(word[0]) for word in words], said, autojunk=False)
    reached = 0
    for in_sentence, in_said, length in matcher.get_matching_blocks():
        # Numbers that are reported as words increase the number of words and never reduce it. So a
        # word that comes later in the sentence than in the report matches by chance.
        if length and in_sentence <= in_said:
            reached = in_sentence + length
    return _from(sentence, words, reached)


def rest_by_pace(sentence: str, seconds: float, pace: float = TYPICAL_PACE) -> str:
    """Return the part of the sentence after `seconds` of audio, at `pace` characters per second.

    The returned part begins with the word that was being said. The returned part is never empty,
    because the position is only an estimate.
    """
    words = list(_WORD.finditer(sentence))
    said = seconds * pace
    begun = sum(spoken_length(sentence[: word.start()]) <= said for word in words)
    return _from(sentence, words, max(0, begun - 1))


def heard_after(text: str, spoken: float) -> str:
    """Return the beginning of the text, up to the last word that was spoken completely.

    `spoken` is the number of characters that were spoken, counted as `spoken_length` does.
    """
    # The tolerance of a quarter of a character covers the clock's resolution, and is less than a
    # letter.
    ends = [
        w.end() for w in _WORD.finditer(text) if spoken_length(text[: w.end()]) <= spoken + 0.25
    ]
    return text[: max(ends, default=0)]


def _from(sentence: str, words: Sequence[re.Match[str]], index: int) -> str:
    return sentence[words[index].start() :] if index < len(words) else ""


def _plain(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum())


def _apart(heard: Sequence[str]) -> list[str]:
    """Return the pieces of a text; add a space to each if no piece begins or ends with a space."""
    spaced = any(piece != piece.strip() for piece in heard)
    return list(heard) if spaced else [f"{piece} " for piece in heard]
