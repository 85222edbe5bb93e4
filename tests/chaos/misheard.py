"""Distinguishes misheard words from lost words.

The Deepgram test server uses a small recogniser, which sometimes writes a different word than the
spoken one. A spoken word with another word in its place has arrived. One with nothing in its place
is lost.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def misheard(answer: str, word: str, records: Iterable[str], others: Collection[str]) -> bool:
    """Return whether one of the texts has other words in the place of the answer's `word`.

    The replacement must have at least half as many words as the part of the answer that it
    replaces, because one word does not prove that five arrived. It must not contain a word of
    `others`, which belong to other answers.
    """
    spoken = _words(answer)
    place = spoken.index(word)
    pieces = (_in_the_place(spoken, place, _words(text)) for text in records)
    return any(piece and not set(piece) & set(others) for piece in pieces)


def _in_the_place(spoken: list[str], place: int, recorded: list[str]) -> list[str]:
    matcher = SequenceMatcher(None, spoken, recorded, autojunk=False)
    for change, begin, end, recorded_begin, recorded_end in matcher.get_opcodes():
        if begin <= place < end:
            piece = recorded[recorded_begin:recorded_end]
            return piece if change == "replace" and len(piece) * 2 >= end - begin else []
    return []


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
