"""The words of a text, in the normalized form in which word lists and patterns are searched."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

#: Pattern of a word. Group 1 is the apostrophe that joins the word to the previous word, group 2 is
#: the word itself.
_WORD = re.compile(r"(?:(?<=[^\W_])(['\u2019]))?([^\W_]+)")


def words_of(text: str, contractions: Mapping[str, str]) -> list[str]:
    """Return the words in lowercase, without accents, with contractions spelled out."""
    letters = unicodedata.normalize("NFKD", text.lower())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return [contractions.get(word, word) if tie else word for tie, word in _WORD.findall(bare)]


def any_of(*phrases: str) -> re.Pattern[str]:
    """Return a pattern that finds one of these phrases, which are patterns of whole words."""
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b")


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text that are separated by spaces."""
    return frozenset(text.split())
