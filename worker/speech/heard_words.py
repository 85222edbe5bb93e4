"""How far into a sentence a voice has come when it breaks off or is cut off.

Pure. Where it is not sure a word counts as not heard: it is said twice rather than left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

#: Characters a second of a usual voice: 150 to 160 words a minute.
TYPICAL_PACE: Final = 15.0

#: Characters more that a digit makes once it is spelled out: 1990 is "nineteen ninety".
_PER_DIGIT: Final = 7

_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word as the provider tells it: spelled out, maybe ("1990": "nineteen ninety")."""

    text: str
    #: Seconds of the sentence's audio at which it has been said.
    end_s: float


def has_words(text: str) -> bool:
    """Whether there is anything to be said aloud."""
    return any(character.isalnum() for character in text)


def spoken_length(text: str) -> int:
    """Characters of a text as it is said, its digits spelled out."""
    return len(text) + _PER_DIGIT * sum(character.isdigit() for character in text)


def rest_after(sentence: str, heard: Sequence[str]) -> str:
    """What of the sentence comes after the words that were heard.

    The provider may have spelled words out; what cannot be found in the sentence counts as not
    heard.
    """
    said = [_plain(word) for word in "".join(_apart(heard)).split()]
    words = list(_WORD.finditer(sentence))
    matcher = SequenceMatcher(None, [_plain(word[0]) for word in words], said, autojunk=False)
    reached = 0
    for in_sentence, in_said, length in matcher.get_matching_blocks():
        # Spelling out makes more words of one, never fewer: what lies further on is chance.
        if length and in_sentence <= in_said:
            reached = in_sentence + length
    return _from(sentence, words, reached)


def rest_by_pace(sentence: str, seconds: float, pace: float = TYPICAL_PACE) -> str:
    """What of the sentence comes after so many seconds of audio, at `pace` characters a second.

    Begins with the word that was being said; never nothing, for it is an estimate.
    """
    words = list(_WORD.finditer(sentence))
    said = seconds * pace
    begun = sum(spoken_length(sentence[: word.start()]) <= said for word in words)
    return _from(sentence, words, max(0, begun - 1))


def heard_after(text: str, spoken: float) -> str:
    """The words of the text that have been said to their ends after so much of its
    `spoken_length`, in characters."""
    # A quarter of a character is a clock's own grain, and no letter.
    ends = [
        w.end() for w in _WORD.finditer(text) if spoken_length(text[: w.end()]) <= spoken + 0.25
    ]
    return text[: max(ends, default=0)]


def _from(sentence: str, words: Sequence[re.Match[str]], index: int) -> str:
    return sentence[words[index].start() :] if index < len(words) else ""


def _plain(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum())


def _apart(heard: Sequence[str]) -> list[str]:
    """The pieces, apart where the provider leaves the spaces out."""
    spaced = any(piece != piece.strip() for piece in heard)
    return list(heard) if spaced else [f"{piece} " for piece in heard]
